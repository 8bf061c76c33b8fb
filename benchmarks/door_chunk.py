"""CPU of a streamed chunk at the chat door, against one over WebSocket: `make bench-doors`.

One facade in front of one runtime with the mock provider. Conversations are answered over
WebSocket and at `/api/chat` in turn, and each answer has the same paced chunks. Counted is the CPU
time of the facade alone; compared is the ratio within one round.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from benchmarks.relay.processes import cpu_seconds
from tests.facade.doors import bed

CHUNKS = 200
GOAL = 1.5
ANSWERS = {
    "defaultResponse": "abcdefghijklmnopqrstuvwxyzabcdefghijklm " * CHUNKS,
    "chunk_size": 40,
    "inter_chunk_ms": 10,
}


async def main() -> None:
    """Run the rounds and print the table."""
    options = _options()
    with (
        tempfile.TemporaryDirectory() as folder,
        bed.mock_runtime(Path(folder), ANSWERS) as mounted,
        bed.facade_process(mounted, OMNIA_DOORS="chat") as facade,
    ):
        ratios = []
        for number in range(options.rounds + 1):
            print(f"round {number} of {options.rounds}", file=sys.stderr)
            spent = {}
            for ask in (_websocket, _chat) if number % 2 else (_chat, _websocket):
                spent[ask] = await _measured(facade, ask, options.conversations, number)
            if number:  # the first is the warm-up
                ratios.append(spent[_chat] / spent[_websocket])
                print(
                    f"{spent[_websocket] * 1e6:.1f} us over WebSocket,"
                    f" {spent[_chat] * 1e6:.1f} us at /api/chat"
                )
    found = statistics.median(ratios)
    print(
        f"CPU of a chunk at /api/chat: {found:.2f} ({min(ratios):.2f}..{max(ratios):.2f})", end=""
    )
    print(f" x WebSocket; goal {GOAL}: {'met' if found <= GOAL else 'missed'}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--conversations", type=int, default=40, help="at the same time")
    return parser.parse_args()


Ask = Callable[[bed.FacadeProcess, str], Awaitable[int]]


async def _measured(facade: bed.FacadeProcess, ask: Ask, conversations: int, number: int) -> float:
    """Return the CPU seconds of the facade for a chunk."""
    (began,) = cpu_seconds([facade.process.pid])
    chunks = await asyncio.gather(
        *(ask(facade, f"r{number}-{each}") for each in range(conversations))
    )
    (ended,) = cpu_seconds([facade.process.pid])
    return (ended - began) / sum(chunks)


async def _websocket(facade: bed.FacadeProcess, _: str) -> int:
    chunks = 0
    async with aiohttp.ClientSession() as session, session.ws_connect(facade.ws) as socket:
        await socket.receive()
        await socket.send_str('{"type": "message", "content": "go"}')
        async for message in socket:
            kind: str = json.loads(message.data)["type"]
            chunks += kind == "chunk"
            if kind == "done":
                return chunks
    raise AssertionError("the answer broke off")


async def _chat(facade: bed.FacadeProcess, name: str) -> int:
    part = {"type": "text", "text": "go"}
    body = {"id": name, "messages": [{"id": name, "role": "user", "parts": [part]}]}
    async with (
        aiohttp.ClientSession() as session,
        session.post(facade.http + "/api/chat", json=body) as response,
    ):
        content = await response.read()
    return int(content.count(b'"text-delta"'))


if __name__ == "__main__":
    asyncio.run(main())
