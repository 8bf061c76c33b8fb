"""The CPU cost of sessions in an SQLite file for one turn, as `make bench-sqlite` prints it.

Two pairs of the shipped programs run side by side, one with sessions in memory and one with
sessions in a file, audit records included. They are asked alternately, as `benchmarks.tracing`
does; each round begins with new conversations, so that their histories are those of people and not
of a benchmark. Counted is the CPU time of facade and runtime together, threads included.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path

import uvloop
from websockets.asyncio.client import connect

from benchmarks.model_server import serve
from benchmarks.tracing import Pair, idle_cpu, in_process, one_round, report

MEMORY, SQLITE = "in memory", "in a file"
RATIOS = {"ratio of a file": (SQLITE, MEMORY, 1.10)}


async def main() -> None:
    """Run the rounds, print the table, and write it to benchmarks/out/session_file.json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--turns", type=int, default=250, help="of each pair in one round")
    parser.add_argument("--conversations", type=int, default=25, help="at the same time")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        model = f"http://127.0.0.1:{stack.enter_context(in_process(serve))}/v1"
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        file = {
            "OMNIA_SESSION_TYPE": "sqlite",
            "OMNIA_SESSION_PATH": str(folders[1] / "state" / "sessions.db"),
        }
        pairs = {
            MEMORY: Pair(folders[0], model, ()),
            SQLITE: Pair(folders[1], model, (), **file),
        }
        for pair in pairs.values():
            stack.callback(pair.stop)
        for pair in pairs.values():
            await asyncio.to_thread(pair.wait_ready)
        rounds: list[dict[str, float]] = []
        idle: dict[str, float] = {}
        for number in range(options.rounds + 1):
            print(f"round {number} of {options.rounds}", file=sys.stderr)
            found = await _round(pairs, options, idle)
            idle = idle or await idle_cpu(pairs)  # the first time after the warm-up
            rounds += [found] if number else []
    report(rounds, options, RATIOS, "session_file.json")


async def _round(
    pairs: dict[str, Pair], options: argparse.Namespace, idle: dict[str, float]
) -> dict[str, float]:
    async with contextlib.AsyncExitStack() as stack:
        sockets = {
            name: [
                await stack.enter_async_context(connect(pair.url, compression=None))
                for _ in range(options.conversations)
            ]
            for name, pair in pairs.items()
        }
        for opened in sockets.values():
            for socket in opened:
                await socket.recv()
        return await one_round(pairs, sockets, options.turns, idle)


if __name__ == "__main__":
    uvloop.run(main())
