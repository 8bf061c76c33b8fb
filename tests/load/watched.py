"""Programs under load: pinned to a core, and what they take of it."""

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Watched:
    """A running program."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process

    @property
    def resident_mb(self) -> float:
        """Its resident set."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in text.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) / 1024

    @property
    def cpu_seconds(self) -> float:
        """The CPU time of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def cores() -> tuple[int, int]:
    """Return the core of the facade and that of everybody else, which may have to be the same."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


@contextlib.contextmanager
def on_core(
    core: int, *command: str, environment: Mapping[str, str] | None = None
) -> Iterator[Watched]:
    """Run a Python module on one core until the end of the block; its output is a pipe."""
    given = {"PATH": os.environ["PATH"], **(environment or {})}
    process = subprocess.Popen(
        ["taskset", "-c", str(core), sys.executable, "-m", *command],
        cwd=ROOT,
        env=given,
        stdout=subprocess.PIPE,
    )
    try:
        yield Watched(process)
    finally:
        process.terminate()
        process.wait(LIMIT)
        if process.stdout:
            process.stdout.close()


def allow_open_files(needed: int) -> str:
    """Raise this process's limit, which those that it starts inherit; return why it cannot be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return ""
    if hard != resource.RLIM_INFINITY and hard < needed:
        return (
            f"{needed} open files are needed, and this user may have {hard}: "
            "raise the hard limit (ulimit -Hn, or LimitNOFILE of the container)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return ""
