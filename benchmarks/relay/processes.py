"""Processes on one core, and what they cost by their own accounting."""

import os
import resource
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

SERVERS_CORE = 0
LOAD_CORE = 1
LIMIT = 30.0


@contextmanager
def running(
    command: Iterable[object],
    core: int,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator["subprocess.Popen[str]"]:
    """Run a process on one core until the end of the block; its standard error goes to `log`."""
    with ExitStack() as stack:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stack.enter_context(log.open("ab")) if log else None,
            env=None if environment is None else dict(environment),
            text=True,
        )
    try:
        yield process
    finally:
        if process.stdin:
            process.stdin.close()
        process.terminate()
        process.wait(LIMIT)
        if process.stdout:
            process.stdout.close()


def cpu_seconds(pids: Iterable[int]) -> list[float]:
    """Return the CPU time of processes so far, all threads together (Linux's schedstat)."""
    return [
        sum(_schedstat(task, 0) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9
        for pid in pids
    ]


def waited_seconds(pids: Iterable[int]) -> float:
    """Return how long the first threads of processes waited for their core so far."""
    return sum(_schedstat(Path(f"/proc/{pid}"), 1) for pid in pids) / 1e9


def resident_kb(pids: Iterable[int]) -> int:
    """Return the resident sets added up."""
    return sum(_resident(pid) for pid in pids)


def wait_for_port(port: int, process: "subprocess.Popen[str]") -> None:
    """Wait until a process listens on a port of the loopback address.

    Raises:
        RuntimeError: the process has ended.
        TimeoutError: it does not listen in time.
    """
    wanted = f"{port:04X}"
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(
                f"{process.args!r} ended; benchmarks/out/relay/programs.log says why"
            )
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[1].rpartition(":")[2] == wanted:
                    return
        time.sleep(0.01)
    raise TimeoutError(f"nobody listens on port {port}")


def _schedstat(task: Path, field: int) -> int:
    """Nanoseconds that a task ran (field 0) or waited to run (1)."""
    try:
        return int((task / "schedstat").read_text().split()[field])
    except OSError:
        return 0  # the thread has ended meanwhile


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise LookupError(f"process {pid} has no resident set")


def allow_many_sockets() -> None:
    """Raise the limit of open files as far as the system lets us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def environment() -> dict[str, str]:
    """Return what every process needs of ours."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
