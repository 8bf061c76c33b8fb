"""One measurement: a stack under a load, in a window, by the processes' own accounting."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from benchmarks.relay.build import OUT
from benchmarks.relay.processes import LOAD_CORE, cpu_seconds, resident_kb, running
from benchmarks.relay.stacks import Serving

CHUNKS = 100
# From here on the load generator's core is as good as full, and the figures may be its own.
LOAD_FULL = 0.9
# A stack that falls behind the offered load is not compared.
KEEPS_UP = 0.95


@dataclass(frozen=True)
class Load:
    """What is asked of a stack.

    Attributes:
        kind: `burst`, all chunks at once, or `paced`.
        pause_us: between two chunks of a conversation.
    """

    kind: str
    conversations: int
    pause_us: int = 0

    @property
    def message(self) -> str:
        """What a client says."""
        return f"{CHUNKS}:{self.pause_us}"

    @property
    def offered(self) -> float:
        """Chunks a second in all; 0 where there is no pace."""
        return self.conversations * 1e6 / self.pause_us if self.pause_us else 0.0


Figures = dict[str, float]


def measure(serving: Serving, load: Load, warm: float, seconds: float) -> Figures:
    """Run a load; CPU is that of the stack's processes within the window."""
    before = resident_kb(serving.pids)
    command = (OUT / "load", serving.port, load.conversations, warm, seconds, load.message)
    with running(command, LOAD_CORE) as process:
        _expect(process, "connected")
        _expect(process, "measuring")
        began = cpu_seconds(serving.pids)
        answer = _line(process)
        spent = [end - start for start, end in zip(began, cpu_seconds(serving.pids), strict=True)]
        active = resident_kb(serving.pids)
        process.wait()
    said: dict[str, Any] = json.loads(answer)
    chunks = said["chunks"] or 1
    figures = {
        "cpu_us_per_chunk": sum(spent) * 1e6 / chunks,
        "facade_us_per_chunk": spent[0] * 1e6 / chunks,
        "chunks_per_second": said["chunks"] / said["seconds"],
        "active_kb": (active - before) / load.conversations,
        "busy": sum(spent) / said["seconds"],
        **{name: float(said[name]) for name in _TAKEN},
    }
    if load.offered:
        figures["share_of_offered"] = figures["chunks_per_second"] / load.offered
    return figures


_TAKEN = ("load_cpu", "first_chunk_p50_us", "first_chunk_p99_us", "turn_p99_us", "errors", "lost")


def idle_kb(serving: Serving, conversations: int) -> float:
    """Return what an idle connection costs, in KB of the stack's resident sets."""
    before = resident_kb(serving.pids)
    with running((OUT / "load", serving.port, conversations, 0, 0, "idle"), LOAD_CORE) as process:
        _expect(process, "connected")
        return (resident_kb(serving.pids) - before) / conversations


def _expect(process: "subprocess.Popen[str]", word: str) -> None:
    said = _line(process)
    if said != word:
        raise RuntimeError(f'the load generator said "{said}"; expected "{word}"')


def _line(process: "subprocess.Popen[str]") -> str:
    if process.stdout is None:
        raise RuntimeError("the load generator has no output")
    return process.stdout.readline().strip()
