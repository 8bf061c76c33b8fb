"""`make bench-relay`: rounds over all stacks, one after another, and the table of their ratios."""

import argparse
import json
import sys

from benchmarks.machine import facts, lines
from benchmarks.relay.build import OUT, build
from benchmarks.relay.processes import allow_many_sockets
from benchmarks.relay.report import record, relay_lines
from benchmarks.relay.rounds import LOADS, relay_round
from benchmarks.relay.samples import Samples
from benchmarks.relay.stacks import STACKS


def main() -> None:
    """Measure, print the table and write `benchmarks/out/relay.json`."""
    arguments = _arguments()
    machine = facts()
    allow_many_sockets()
    build()
    loads = [load for load in LOADS if load.conversations <= arguments.conversations]
    samples = Samples()
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
        relay_round(number, arguments.stacks, loads, arguments.seconds, samples)
    print("\n".join([*lines(machine), *relay_lines(samples)]))
    (OUT.parent / "relay.json").write_text(json.dumps(record(machine, samples), indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-relay", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds over all stacks")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one window")
    parser.add_argument("--conversations", type=int, default=1000, help="leave larger loads out")
    parser.add_argument(
        "--stacks", nargs="+", default=list(STACKS), choices=list(STACKS), help="leave others out"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
