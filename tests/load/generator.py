"""Many clients at once: `python -m tests.load.generator JSON`, where JSON has the fields of `Load`.

Writes a line of JSON for each phase: `connected`, `measuring`, `over`; the last has what was seen.
"""

import asyncio
import sys
import time
from array import array
from typing import Any

import msgspec
import orjson
import uvloop
from msgspec import Struct

from tests.load.counting import Books, Client

LIMIT = 60.0
TICK = 0.02


class Load(Struct):
    """How much, and for how long (seconds); `gap` is in milliseconds."""

    port: int
    idle: int
    active: int
    warm_up: float
    seconds: float
    chunks: int
    gap: int


class Ticks:
    """How late this program's own loop is: what it measures is no better than that."""

    def __init__(self) -> None:
        self.late = array("f")

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            self.late.append((loop.time() - due) * 1000)


def quantiles(values: "array[float]") -> dict[str, float]:
    """Return the median, the 99th percentile and the maximum."""
    ordered = sorted(values) or [0.0]
    last = len(ordered) - 1
    return {
        "p50": round(ordered[last // 2], 2),
        "p99": round(ordered[int(last * 0.99)], 2),
        "max": round(ordered[-1], 2),
    }


def tell(phase: str, **seen: Any) -> None:
    """Write what was reached."""
    sys.stdout.buffer.write(orjson.dumps({"phase": phase, **seen}) + b"\n")
    sys.stdout.buffer.flush()


async def connect(load: Load, books: Books) -> list[Client]:
    """Open all connections, a hundred at once."""
    loop = asyncio.get_running_loop()
    turn = asyncio.Semaphore(100)

    async def one(number: int) -> Client:
        async with turn:
            _, client = await loop.create_connection(
                lambda: Client(books, f"k{number}", load.gap), "127.0.0.1", load.port
            )
            await client.idle.wait()
            return client

    async with asyncio.timeout(LIMIT):
        return await asyncio.gather(*(one(number) for number in range(load.idle + load.active)))


async def converse(clients: list[Client], load: Load) -> None:
    """Begin all conversations, spread evenly over the length of an answer."""
    for client in clients:
        client.again = True
        client.say(load.chunks)
        await asyncio.sleep(load.chunks * load.gap / 1000 / len(clients))


async def stop(clients: list[Client], books: Books) -> None:
    """Let the running answers end."""
    for client in clients:
        client.again = False
    waiting = [asyncio.create_task(client.idle.wait()) for client in clients]
    _, never = await asyncio.wait(waiting, timeout=LIMIT)
    if never:
        books.wrong["an answer never ended"] += len(never)


async def main(load: Load) -> None:
    """Make the load, and tell what was seen."""
    books, ticks = Books(), Ticks()
    began = time.monotonic()
    clients = await connect(load, books)
    tell("connected", connections=books.connected, seconds=round(time.monotonic() - began, 1))
    active = clients[: load.active]
    await converse(active, load)
    await asyncio.sleep(load.warm_up)
    watching = asyncio.create_task(ticks.run())
    before, books.measuring = books.chunks, True
    tell("measuring")
    await asyncio.sleep(load.seconds)
    chunks, books.measuring = books.chunks - before, False
    watching.cancel()
    tell("measured")
    await stop(active, books)
    # Who was idle all the time is still there, and is answered.
    for client in clients[load.active :]:
        client.say(chunks=1)
        await asyncio.sleep(0.001)
    await stop(clients, books)
    tell(
        "over",
        turns=books.turns,
        chunks=books.chunks,
        chunks_expected=books.expected,
        chunks_per_second=round(chunks / load.seconds),
        first_ms=quantiles(books.first),
        gap_ms=quantiles(books.gaps),
        relay_ms=quantiles(books.relayed),
        own_delay_ms=quantiles(ticks.late),
        wrong=dict(books.wrong),
    )
    for client in clients:
        client.leave()


if __name__ == "__main__":
    uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Load)))
