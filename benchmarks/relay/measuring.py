"""One measurement: a stack under a load, in a window, by the processes' own accounting."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.relay.build import OUT
from benchmarks.relay.processes import (
    LOAD_CORE,
    cpu_seconds,
    resident_kb,
    running,
    waited_seconds,
)
from benchmarks.relay.stacks import Serving

CHUNKS = 100

Figures = dict[str, float]


@dataclass(frozen=True)
class Load:
    """What is asked of a stack.

    Attributes:
        kind: `burst`, all chunks at once, or `paced`.
        pause_us: between two chunks of a conversation.
        chunks: of one turn.
    """

    kind: str
    conversations: int
    pause_us: int = 0
    chunks: int = CHUNKS

    @property
    def message(self) -> str:
        """What a client says."""
        return f"{self.chunks}:{self.pause_us}"

    @property
    def offered(self) -> float:
        """Chunks a second in all, the first of a turn at once; 0 where there is no pace."""
        if not self.pause_us:
            return 0.0
        turn = (self.chunks - 1) * self.pause_us / 1e6
        return self.conversations * self.chunks / turn

    def __str__(self) -> str:
        pace = f", a chunk every {self.pause_us // 1000} ms" if self.pause_us else ""
        few = f", {self.chunks} chunks a turn" if self.chunks != CHUNKS else ""
        plural = "" if self.conversations == 1 else "s"
        return f"{self.kind}, {self.conversations} conversation{plural}{pace}{few}"


@dataclass(frozen=True)
class Calls:
    """Function calls over kept connections, each of which asks again when it has its answer."""

    connections: int
    path: str
    body: str
    expected: str


def measure(serving: Serving, load: Load, warm: float, seconds: float) -> Figures:
    """Run a load; CPU is that of the stack's processes within the window."""
    before = resident_kb(serving.pids)
    command = (OUT / "load", serving.port, load.conversations, warm, seconds, load.message)
    window = _window(command, serving)
    said = window.said
    chunks, turns = said["chunks"] or 1, said["turns"] or 1
    figures = {
        "cpu_us_per_chunk": sum(window.spent) * 1e6 / chunks,
        "facade_us_per_chunk": window.spent[0] * 1e6 / chunks,
        "cpu_us_per_turn": sum(window.spent) * 1e6 / turns,
        "chunks_per_second": said["chunks"] / said["seconds"],
        "base_mb": before * 1024 / 1e6,
        "active_kb": (window.resident - before) / load.conversations,
        **window.of_the_machine,
        **{name: float(said[name]) for name in _OF_A_LOAD},
    }
    if load.offered:
        figures["share_of_offered"] = figures["chunks_per_second"] / load.offered
    return figures


def measure_calls(serving: Serving, calls: Calls, warm: float, seconds: float) -> Figures:
    """Call a function all the time."""
    asked = (calls.path, calls.body, calls.expected)
    command = (OUT / "calls", serving.port, calls.connections, warm, seconds, *asked)
    window = _window(command, serving)
    said = window.said
    count = said["calls"] or 1
    return {
        "cpu_us_per_call": sum(window.spent) * 1e6 / count,
        "facade_us_per_call": window.spent[0] * 1e6 / count,
        "calls_per_second": said["calls"] / said["seconds"],
        **window.of_the_machine,
        **{name: float(said[name]) for name in _OF_CALLS},
    }


def idle_kb(serving: Serving, conversations: int) -> float:
    """Return what an idle connection costs, in KB of the stack's resident sets."""
    before = resident_kb(serving.pids)
    with running((OUT / "load", serving.port, conversations, 0, 0, "idle"), LOAD_CORE) as process:
        _expect(process, "connected")
        return (resident_kb(serving.pids) - before) / conversations


_OF_A_LOAD = (
    "first_chunk_p50_us", "first_chunk_p99_us", "turn_p99_us", "chunk_bytes", "done_bytes",
)  # fmt: skip
_OF_CALLS = ("call_p50_us", "call_p99_us")


@dataclass(frozen=True)
class _Window:
    """What a window showed.

    Attributes:
        said: what the load generator counted.
        spent: CPU seconds of each process of the stack.
        resident: of all of them at the end of the window, in KB.
        of_the_machine: how full the cores were, and what went wrong.
    """

    said: dict[str, Any]
    spent: list[float]
    resident: int
    of_the_machine: Figures


def _window(command: Iterable[object], serving: Serving) -> _Window:
    with running(command, LOAD_CORE) as process:
        _expect(process, "connected")
        _expect(process, "measuring")
        began, waited = cpu_seconds(serving.pids), waited_seconds([process.pid])
        beside = sum(cpu_seconds(serving.beside))
        said: dict[str, Any] = json.loads(_line(process))
        spent = [end - start for start, end in zip(began, cpu_seconds(serving.pids), strict=True)]
        seconds = said["seconds"]
        of_the_machine = {
            "busy": sum(spent) / seconds,
            # what serves a stack from the load generator's core takes its part of that core
            "load_cpu": said["load_cpu"] + (sum(cpu_seconds(serving.beside)) - beside) / seconds,
            "load_waited": (waited_seconds([process.pid]) - waited) / seconds,
            "errors": float(said["errors"]),
            "lost": float(said["lost"]),
        }
        return _Window(said, spent, resident_kb(serving.pids), of_the_machine)


def _expect(process: "subprocess.Popen[str]", word: str) -> None:
    said = _line(process)
    if said != word:
        raise RuntimeError(f'the load generator said "{said}"; expected "{word}"')


def _line(process: "subprocess.Popen[str]") -> str:
    if process.stdout is None:
        raise RuntimeError("the load generator has no output")
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError("the load generator ended before it was done; it says why above")
    return line
