"""`make bench-relay`: rounds over all stacks, one after another, and the table of their ratios."""

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

from benchmarks.relay.build import OUT, build
from benchmarks.relay.measuring import KEEPS_UP, LOAD_FULL, Figures, Load, idle_kb, measure
from benchmarks.relay.stacks import STACKS

LOADS = (
    Load("burst", 1),
    Load("burst", 100),
    Load("burst", 1000),
    Load("paced", 200, 20_000),
    Load("paced", 1000, 100_000),
)
IDLE = 1000
BASE = "go-lean"

Key = tuple[str, Load]
Samples = dict[Key, list[Figures]]


def main() -> None:
    """Measure, print the table and write `benchmarks/out/relay.json`."""
    arguments = _arguments()
    _raise_file_limit()
    build()
    loads = [load for load in LOADS if load.conversations <= arguments.conversations]
    samples: Samples = {}
    idle: dict[str, list[float]] = {}
    for number in range(arguments.rounds):
        for name in arguments.stacks:
            print(f"round {number + 1} of {arguments.rounds}: {name}", file=sys.stderr)
            _round(name, loads, arguments.seconds, samples, idle)
    _print(samples, idle, arguments.stacks, loads)
    _write(samples, idle)


def _round(
    name: str, loads: list[Load], seconds: float, samples: Samples, idle: dict[str, list[float]]
) -> None:
    for load in loads:
        # A new stack for each load: none pays for the memory of another.
        with STACKS[name]() as serving:
            figures = measure(serving, load, min(2.0, seconds), seconds)
        samples.setdefault((name, load), []).append(figures)
    with STACKS[name]() as serving:
        idle.setdefault(name, []).append(idle_kb(serving, IDLE))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-relay", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds over all stacks")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one window")
    parser.add_argument("--conversations", type=int, default=1000, help="leave larger loads out")
    parser.add_argument(
        "--stacks", nargs="+", default=list(STACKS), choices=list(STACKS), help="leave others out"
    )
    return parser.parse_args()


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }


def _print(
    samples: Samples, idle: dict[str, list[float]], stacks: list[str], loads: list[Load]
) -> None:
    facts = _machine()
    print(f"{facts['python']}, {facts['cpu']}, {facts['cores']} cores, {facts['kernel']}")
    print(
        "CPU of facade and runtime by their own accounting, one core for both; medians (min..max)"
    )
    for load in loads:
        pace = f", a chunk every {load.pause_us // 1000} ms" if load.pause_us else ""
        print(f"\n{load.kind}, {load.conversations} conversations{pace}")
        print(
            f"{'':22}{'µs/chunk':>20}{'ratio':>7}{'facade':>8}{'chunks/s':>10}"
            f"{'first p50':>11}{'first p99':>11}{'KB/conv':>9}"
        )
        for name in stacks:
            _print_row(name, load, samples)
    print(f"\nidle connections, KB each ({IDLE})")
    for name, values in idle.items():
        spread = _spread(values)
        print(f"{name:22}{spread['median']:9.1f} ({spread['min']:.1f}..{spread['max']:.1f})")


def _print_row(name: str, load: Load, samples: Samples) -> None:
    rounds = samples[name, load]
    each = {figure: _spread([one[figure] for one in rounds]) for figure in rounds[0]}
    cost = each["cpu_us_per_chunk"]
    base = samples.get((BASE, load))
    ratio = ""
    behind = each.get("share_of_offered", {}).get("median", 1.0) < KEEPS_UP
    if base and not behind:
        ratio = f"{cost['median'] / statistics.median(one['cpu_us_per_chunk'] for one in base):.2f}"
    notes = []
    if behind:
        notes.append(f"only {each['share_of_offered']['median']:.0%} of the load: not compared")
    if each["load_cpu"]["median"] > LOAD_FULL:
        notes.append("the load generator is the limit")
    if each["errors"]["max"] or each["lost"]["max"]:
        notes.append("errors")
    shown = f"{cost['median']:.2f} ({cost['min']:.2f}..{cost['max']:.2f})"
    print(
        f"{name:22}{shown:>20}{ratio:>7}{each['facade_us_per_chunk']['median']:8.2f}"
        f"{each['chunks_per_second']['median']:10.0f}{each['first_chunk_p50_us']['median']:11.0f}"
        f"{each['first_chunk_p99_us']['median']:11.0f}{each['active_kb']['median']:9.1f}"
        f"  {'; '.join(notes)}"
    )


def _write(samples: Samples, idle: dict[str, list[float]]) -> None:
    rows = [
        {
            "stack": name,
            "load": load.kind,
            "conversations": load.conversations,
            **{figure: _spread([one[figure] for one in rounds]) for figure in rounds[0]},
        }
        for (name, load), rounds in samples.items()
    ]
    record = {
        "machine": _machine(),
        "rounds": max(len(rounds) for rounds in samples.values()),
        "rows": rows,
        "idle_kb_per_connection": {name: _spread(values) for name, values in idle.items()},
    }
    (OUT.parent / "relay.json").write_text(json.dumps(record, indent=2))


def _machine() -> dict[str, str]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cpu": model,
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


if __name__ == "__main__":
    main()
