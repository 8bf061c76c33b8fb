"""The CPU cost of sessions in an SQLite file for one turn, as `make bench-sqlite` prints it.

Three pairs of the shipped programs run side by side: with sessions in memory, with sessions in
memory whose audit trail is made and encoded (`benchmarks.with_trail`; no setting does that), and
with sessions in a file, audit trail included. So one ratio says what a user pays, and the other what
the file costs. They are asked alternately, as `benchmarks.tracing` does; each round begins with new conversations, so that their histories are those of people and not
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

MEMORY, TRAIL, SQLITE = "in memory", "in memory with a trail", "in a file"
RATIOS = {
    "ratio of a file": (SQLITE, MEMORY, 1.10),
    "ratio of a file to a trail": (SQLITE, TRAIL, 1.10),
}
WHY = (
    "What a file costs more: two commits a turn, of the question before the model is asked and of\n"
    "the answer, 11 pages of 4 KiB in all, and some 20 statements of CPython's sqlite3.\n"
    "docs/explanation/decisions/sessions.md says why there are not fewer."
)


async def main() -> None:
    """Run the rounds, print the table, and write it to benchmarks/out/session_file.json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--turns", type=int, default=250, help="of each pair in one round")
    parser.add_argument("--conversations", type=int, default=25, help="at the same time")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        model = f"http://127.0.0.1:{stack.enter_context(in_process(serve))}/v1"
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(3)]
        file = {
            "OMNIA_SESSION_TYPE": "sqlite",
            "OMNIA_SESSION_PATH": str(folders[2] / "state" / "sessions.db"),
        }
        pairs = {
            MEMORY: Pair(folders[0], model, ()),
            TRAIL: Pair(folders[1], model, ("benchmarks.with_trail",)),
            SQLITE: Pair(folders[2], model, (), **file),
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
    print(WHY)


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
