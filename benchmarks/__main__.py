"""`make bench`: every goal as a ratio from one run, with tables, a picture and a record.

A round is all of it once: the stacks of the relay under each load, function calls, the pair with a
model's server, start-up and memory. The turns of the runtime have their own rounds at the end.
"""

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

import uvloop

from benchmarks import footprint, provider_stream
from benchmarks.goals import OURS, Goal, goal_lines, goals
from benchmarks.machine import facts, lines
from benchmarks.plot import plot
from benchmarks.relay.build import OUT, build
from benchmarks.relay.processes import allow_many_sockets
from benchmarks.relay.report import more_lines, record, relay_lines, rows
from benchmarks.relay.rounds import LOADS, calls_round, model_round, relay_round
from benchmarks.relay.samples import Samples, spreads
from benchmarks.relay.stacks import STACKS


def main() -> None:
    """Measure, print the tables, write `relay.json` and `relay.svg` in `benchmarks/out`."""
    arguments = _arguments()
    machine = facts()
    print("\n".join(lines(machine)), file=sys.stderr)
    allow_many_sockets()
    build()
    samples = Samples()
    try:
        _measure(arguments, samples)
    finally:
        # of a run that was cut as well: it may have been long
        if samples.relay:
            _report(machine, samples)


def _measure(arguments: argparse.Namespace, samples: Samples) -> None:
    footprint.measure()  # compiles what is new
    footprint.let_go_of_libraries()
    footprint.measure()
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
        print("  start-up and memory", file=sys.stderr)
        samples.footprint.append(footprint.measure())
        relay_round(number, list(STACKS), LOADS, arguments.seconds, samples)
        model_round(number, arguments.seconds, samples)
        calls_round(arguments.seconds, samples)
    print("turns of the runtime", file=sys.stderr)
    asked = provider_stream.options(["--rounds", str(arguments.rounds)])
    found = uvloop.run(provider_stream.measured(asked))
    samples.turns = [provider_stream.ratios(each) for each in found]


def _report(machine: dict[str, str], samples: Samples) -> None:
    judged = goals(samples)
    tables = (lines(machine), relay_lines(samples), more_lines(samples), goal_lines(judged))
    print("\n".join(line for table in tables for line in table))
    _write(machine, samples, judged)
    print(f"\nwritten: {OUT.parent}/relay.json, {OUT.parent}/relay.svg", file=sys.stderr)


def _write(machine: dict[str, str], samples: Samples, judged: list[Goal]) -> None:
    written: dict[str, Any] = {
        **record(machine, samples),
        "model_rows": rows(samples.model),
        "function_calls": spreads(samples.calls),
        "footprint": spreads(samples.footprint),
        "turn_ratios": spreads(samples.turns),
        "goals": [
            {**asdict(goal), "spread": goal.spread, "verdict": goal.verdict} for goal in judged
        ],
    }
    folder = OUT.parent
    (folder / "relay.json").write_text(json.dumps(written, indent=2))
    (folder / "relay.svg").write_text(plot(samples.relay, judged, OURS))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds over everything")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one window")
    parser.add_argument("--quick", action="store_true", help="one round of short windows")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, min(arguments.seconds, 2.0)
    return arguments


if __name__ == "__main__":
    main()
