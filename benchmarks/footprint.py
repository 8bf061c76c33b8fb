"""Start-up time and memory of one facade and one runtime, as `make bench-footprint` prints them.

The programs are the shipped ones with default settings, started as processes on the example
`support-agent`'s own plan. Exec to ready is the time from starting the process to the first
`/readyz` that answers 200; memory is the resident set once both are ready and idle. Medians of
several rounds.

Half of the resident set is pages of shared libraries. Of a library that was written a moment ago,
as by a fresh `make setup`, Linux keeps larger pieces in memory than of one that it read from the
disk, and counts them whole: 5 MB more for each process, which no pod has. So the libraries are let
go of first, and read again by the warm-up round. The pair as it was found before that is printed
and written too.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from omnia_cli.local.agent import AgentPorts, LocalAgent, Machine, localise
from omnia_cli.local.desired import desired
from omnia_cli.local.objects import Addresses
from omnia_cli.local.ports import Ports
from omnia_cli.local.process import ProcessSpec, write_files
from omnia_cli.manifests import load
from omnia_operator.plan import Settings

ROOT = Path(__file__).parents[1]
ROUNDS = 5
LIMIT = 30.0
GOALS = {"ready_seconds": 0.5, "pair_mb": 100.0}

Figures = dict[str, float]


def agent(root: Path) -> LocalAgent:
    """Return the processes of the example."""
    wanted = desired(load([ROOT / "examples/support-agent"]), {}, Settings())
    plan = next(iter(wanted.plans.values()))
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    machine = Machine(root, wanted.objects, Addresses(), inherited)
    with closing(Ports()) as ports:
        chosen = AgentPorts.choose(ports.any(), ports)
    return localise(plan, chosen, machine)


@contextmanager
def started(spec: ProcessSpec) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the end of the block."""
    write_files({}, spec)
    process = subprocess.Popen(
        spec.command, env=dict(spec.environment), stderr=subprocess.DEVNULL, cwd=ROOT
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(LIMIT)


def wait_ready(url: str) -> None:
    """Wait for 200 from `/readyz`."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=LIMIT):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.005)
    raise TimeoutError(f"{url} was not ready in {LIMIT} s")


def resident_mb(pid: int) -> float:
    """Return the resident set in MB (10^6 bytes)."""
    output = subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])  # noqa: S607
    return int(output) * 1024 / 1e6


def let_go_of_libraries() -> None:
    """Have the shared libraries of the environment read from the disk again."""
    if not hasattr(os, "posix_fadvise"):
        return
    for library in Path(sysconfig.get_path("platlib")).rglob("*.so*"):
        with library.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure() -> Figures:
    """Start the runtime, then the facade, and look at both."""
    with tempfile.TemporaryDirectory() as folder:
        local = agent(Path(folder))
        facade, runtime = local.processes
        figures: Figures = {}
        began = time.monotonic()
        with started(runtime) as runtime_process:
            wait_ready(local.health["runtime"])
            figures["runtime_ready_seconds"] = time.monotonic() - began
            began = time.monotonic()
            with started(facade) as facade_process:
                wait_ready(local.health["facade"])
                figures["facade_ready_seconds"] = time.monotonic() - began
                figures["runtime_mb"] = resident_mb(runtime_process.pid)
                figures["facade_mb"] = resident_mb(facade_process.pid)
        figures["pair_mb"] = figures["runtime_mb"] + figures["facade_mb"]
        return figures


def table(rounds: list[Figures]) -> Mapping[str, Mapping[str, float]]:
    """Return median, minimum and maximum of each figure."""
    return {
        name: {
            "median": round(statistics.median(values), 3),
            "min": round(min(values), 3),
            "max": round(max(values), 3),
        }
        for name in rounds[0]
        for values in [[each[name] for each in rounds]]
    }


def main() -> None:
    """Print the table, and write it to benchmarks/out/footprint.json."""
    measure()
    found = measure()["pair_mb"]
    let_go_of_libraries()
    rounds = []
    for number in range(ROUNDS + 1):
        print(f"round {number} of {ROUNDS}{' (warm-up)' if number == 0 else ''}", file=sys.stderr)
        figures = measure()
        rounds += [figures] if number else []
    rows = table(rounds)
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{'':24}{'median':>9}{'min':>9}{'max':>9}{'goal':>9}")
    for name, row in rows.items():
        goal = next((limit for key, limit in GOALS.items() if name.endswith(key)), None)
        shown = f"{goal:9.1f}" if goal else ""
        print(f"{name:24}{row['median']:9.3f}{row['min']:9.3f}{row['max']:9.3f}{shown}")
    print(f"{'pair_mb as found':24}{found:9.3f}")
    out = ROOT / "benchmarks/out"
    out.mkdir(exist_ok=True)
    as_found = {"pair_mb_as_found": round(found, 3)}
    (out / "footprint.json").write_text(json.dumps({**rows, **as_found}, indent=2))


if __name__ == "__main__":
    main()
