"""Latency that a turn on the candidate of a rollout has more: `make bench-hop`.

One facade of stable has sessions of both sides: those of stable are answered by the runtime beside
it, those of the candidate over the candidate's facade. Turns of both are taken alternately, each
over a WebSocket that is open already. Compared are the medians of one round.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from omnia_core.files.rollout import SCHEDULE_FILE, TOKEN_FILE, Schedule, schedule_text
from tests.facade.doors import bed
from tests.services import free_port

SIDES = ("stable", "candidate")
GOAL_MS = 0.5
WEIGHT = 50
MESSAGE = '{"type": "message", "content": "go"}'


async def main() -> None:
    """Run the rounds and print the table."""
    options = _options()
    with ExitStack() as stack:
        url = _serve(Path(stack.enter_context(tempfile.TemporaryDirectory())), stack)
        added, ratios = [], []
        for number in range(options.rounds + 1):
            print(f"round {number} of {options.rounds}", file=sys.stderr)
            async with AsyncExitStack() as open_sockets:
                sockets = await _one_of_each(url, open_sockets)
                stable, candidate = await _medians(sockets, options.turns)
            if number:  # the first is the warm-up
                added.append(candidate - stable)
                ratios.append(candidate / stable)
                print(f"{stable:.3f} ms at stable, {candidate:.3f} ms at the candidate")
    found = statistics.median(added)
    print(
        f"a turn at the candidate: +{found:.3f} ms ({min(added):.3f}..{max(added):.3f}),"
        f" {statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f}) x stable;"
        f" goal +{GOAL_MS} ms: {'met' if found <= GOAL_MS else 'missed'}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turns", type=int, default=300, help="of each side in a round")
    return parser.parse_args()


def _serve(folder: Path, stack: ExitStack) -> str:
    """Run two runtimes with their facades; return the URL of the WebSocket of stable."""
    rollout = folder / "rollout"
    rollout.mkdir()
    peer_port = free_port()
    schedule = Schedule("hop", f"127.0.0.1:{peer_port}", steps=((0, WEIGHT),))
    (rollout / SCHEDULE_FILE).write_text(schedule_text(schedule))
    (rollout / TOKEN_FILE).write_text("0123456789abcdef" * 4)
    doors: dict[str, dict[str, str]] = {
        "candidate": {"OMNIA_PEER_PORT": str(peer_port)},
        "stable": {},
    }
    url = ""
    for side, more in doors.items():
        own = folder / side
        own.mkdir()
        answers = {"defaultResponse": f"{side} answers", "chunk_size": 40, "inter_chunk_ms": 0}
        mounted = stack.enter_context(bed.mock_runtime(own, answers, OMNIA_VARIANT=side))
        # A client that sends its next message at once would be refused.
        shared = {
            "OMNIA_VARIANT": side,
            "OMNIA_ROLLOUT_PATH": str(rollout),
            "OMNIA_MESSAGE_RATE": "100000",
        }
        url = stack.enter_context(bed.facade_process(mounted, **shared, **more)).ws
    return url


async def _one_of_each(url: str, stack: AsyncExitStack) -> dict[str, ClientConnection]:
    """Return a WebSocket whose session has each side, by the answers that it gets."""
    found: dict[str, ClientConnection] = {}
    while len(found) < len(SIDES):
        socket = await stack.enter_async_context(connect(url, compression=None))
        await socket.recv()
        found.setdefault(await _turn(socket), socket)
    return found


async def _medians(sockets: dict[str, ClientConnection], turns: int) -> list[float]:
    """Return the median of the milliseconds of a turn, of each side."""
    spent: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(turns):
        for side in SIDES if number % 2 else reversed(SIDES):
            began = time.perf_counter()
            answered = await _turn(sockets[side])
            spent[side].append((time.perf_counter() - began) * 1000)
            if answered != side:
                raise AssertionError(f"a session of {side} was answered by {answered}")
    return [statistics.median(spent[side]) for side in SIDES]


async def _turn(socket: ClientConnection) -> str:
    """Take a turn; return the side that answered."""
    await socket.send(MESSAGE)
    async for text in socket:
        frame = json.loads(text)
        if frame["type"] == "done":
            return str(frame["content"]).partition(" ")[0]
        if frame["type"] == "error":
            raise AssertionError(f"a turn failed: {text!r}")
    raise AssertionError("the connection was closed")


if __name__ == "__main__":
    asyncio.run(main())
