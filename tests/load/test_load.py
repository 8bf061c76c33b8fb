"""5,000 idle connections and 500 conversations on one core, each of which checks its answers."""

import os
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson
import pytest

from tests.facade.test_program import environment
from tests.load.generator import Load
from tests.load.watched import Watched, allow_open_files, cores, on_core
from tests.services import SOAK_SECONDS, free_port, wait_listening

IDLE, ACTIVE = 5000, 500
GROWTH = 1.05
# Beyond these the generator and the runtime measure themselves.
FULL_CORE = 0.9
LATE_MS = 20.0


@dataclass
class Seen:
    """What the generator told, and what the programs took; sizes in MB, `cores` as a share of one.

    Attributes:
        over: the generator's last words.
        idle, warm, end: the facade's resident set before the load, when it had begun, and at its
            end.
    """

    connections: int = 0
    idle: float = 0.0
    warm: float = 0.0
    end: float = 0.0
    cores: dict[str, float] = field(default_factory=dict)
    over: dict[str, Any] = field(default_factory=dict)

    @property
    def report(self) -> str:
        """The figures, for people."""
        over, shares = self.over, self.cores
        pace = f"{over['chunks_per_second']} chunks a second, {over['turns']} answers"
        growth = f"{self.warm:.1f} to {self.end:.1f} MB ({self.end / self.warm - 1:+.1%})"
        lines = [
            f"{self.connections} connections: {pace}",
            f"facade: {shares['facade']:.0%} of its core; idle {self.idle:.0f} MB, busy {growth}",
        ]
        for name, times in (
            ("first chunk", over["first_ms"]),
            ("between chunks", over["gap_ms"]),
            ("from the runtime to the client", over["relay_ms"]),
            ("the generator's own delay", over["own_delay_ms"]),
        ):
            figures = ", ".join(f"{quantile} {value} ms" for quantile, value in times.items())
            lines.append(f"{name}: {figures}")
        busy = shares["generator"] + shares["runtime"]
        if busy > FULL_CORE or over["own_delay_ms"]["p99"] > LATE_MS:
            lines.append(
                "The generator was the bottleneck: this machine had too little time for it, "
                f"or it for its clients (with the runtime it took {busy:.0%} of a core)."
            )
        return "\n".join(lines)


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(40, marks=[pytest.mark.load, pytest.mark.timeout(240)]),
        pytest.param(
            SOAK_SECONDS, marks=[pytest.mark.soak, pytest.mark.timeout(SOAK_SECONDS + 600)]
        ),
    ],
)
def test_one_core_carries_500_conversations_and_5000_idle_connections(
    seconds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if reason := allow_open_files(IDLE + ACTIVE + 500):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    own, others = cores()
    runtime_port = free_port()
    variables = environment(OMNIA_RUNTIME_ADDRESS=f"127.0.0.1:{runtime_port}", LOG_LEVEL="warning")
    port = int(variables["OMNIA_FACADE_PORT"])
    load = Load(port, IDLE, ACTIVE, warm_up=10, seconds=seconds, chunks=40, gap=125)
    with (
        on_core(others, "tests.load.streaming_runtime", str(runtime_port)) as runtime,
        on_core(own, "omnia_facade", environment=variables) as facade,
    ):
        wait_listening(runtime_port)
        wait_listening(port)
        given = msgspec.json.encode(load).decode()
        with on_core(others, "tests.load.generator", given) as generator:
            seen = _watch(generator, facade, runtime)
        assert facade.process.poll() is None
    with capsys.disabled():
        print(f"\n{seen.report}")  # noqa: T201 - the figures are what this is run for

    assert seen.over["wrong"] == {}
    assert seen.over["chunks"] == seen.over["chunks_expected"]
    assert seen.connections == IDLE + ACTIVE
    assert seen.end <= seen.warm * GROWTH


def _watch(generator: Watched, facade: Watched, runtime: Watched) -> Seen:
    """Follow the phases of the generator."""
    assert generator.process.stdout
    programs = {"facade": facade, "runtime": runtime, "generator": generator}
    seen = Seen()
    before: dict[str, float] = {}
    began = 0.0
    for line in generator.process.stdout:
        found = orjson.loads(line)
        match found.pop("phase"):
            case "connected":
                seen.connections, seen.idle = found["connections"], facade.resident_mb
            case "measuring":
                began, seen.warm = time.monotonic(), _steady(facade)
                before = {name: each.cpu_seconds for name, each in programs.items()}
            case "measured":
                took = time.monotonic() - began
                for name, each in programs.items():
                    seen.cores[name] = (each.cpu_seconds - before[name]) / took
                seen.end = _steady(facade)
            case _:
                seen.over = found
    assert seen.over, "the generator ended early"
    return seen


def _steady(program: Watched) -> float:
    """Return the median of the resident set over two seconds, in MB."""
    values = []
    for _ in range(10):
        values.append(program.resident_mb)
        time.sleep(0.2)
    return statistics.median(values)
