"""Clients that flood a facade: it serves the others, within the memory of its container."""

import asyncio
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from websockets.asyncio.client import connect

from omnia_core.health import LOOP_SECONDS
from tests.facade.test_program import environment
from tests.load.flooder import KINDS
from tests.load.watched import ROOT, Watched, cores, on_core
from tests.services import SOAK_SECONDS, wait_listening

PACE = 0.05
# The limit of a facade's container.
LIMIT_MEGABYTES = 256
ANSWER_SECONDS = 30.0
OK = 200


@dataclass
class Seen:
    """What another client met meanwhile; times in milliseconds."""

    echo: list[float] = field(default_factory=list)
    health: list[int] = field(default_factory=list)
    starved: int = 0
    """Answers about the health that were late because others had the facade's core."""
    megabytes: float = 0.0

    def report(self, kind: str, closed: int) -> str:
        ordered = sorted(self.echo)
        half, late = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        return (
            f"{kind}: echo p50 {half:.0f} ms, p99 {late:.0f} ms of {len(ordered)};"
            f" {self.megabytes:.0f} MB at most; flooders were cut off {closed} times;"
            f" others had the core {self.starved} times"
        )


async def _watch(port: int, health: int, facade: Watched, seconds: float, seen: Seen) -> None:
    async with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=ANSWER_SECONDS) as socket:
        await asyncio.wait_for(socket.recv(), ANSWER_SECONDS)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.monotonic()
            await socket.send('{"type":"message","content":"hello"}')
            while '"done"' not in str(await asyncio.wait_for(socket.recv(), ANSWER_SECONDS)):
                pass
            seen.echo.append((time.monotonic() - began) * 1000)
            worked = facade.cpu_seconds
            status = await asyncio.to_thread(_status, health)
            # A loop that is stuck for so long has worked for so long.
            if status == OK or facade.cpu_seconds - worked > LOOP_SECONDS / 2:
                seen.health.append(status)
            else:
                seen.starved += 1
            seen.megabytes = max(seen.megabytes, facade.resident_mb)
            await asyncio.sleep(PACE)


def _status(port: int) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=ANSWER_SECONDS) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except HTTPException:
        return 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(3, marks=[pytest.mark.load, pytest.mark.timeout(120)]),
        pytest.param(
            SOAK_SECONDS, marks=[pytest.mark.soak, pytest.mark.timeout(SOAK_SECONDS + 300)]
        ),
    ],
)
async def test_another_client_is_served_while_one_floods(
    kind: str, seconds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    own, _ = cores()
    variables = environment(OMNIA_HANDLER_MODE="echo", LOG_LEVEL="warning")
    port, health = int(variables["OMNIA_FACADE_PORT"]), int(variables["OMNIA_HEALTH_PORT"])
    seen = Seen()
    with on_core(own, "omnia_facade", environment=variables) as facade:
        wait_listening(port)
        flooder = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.load.flooder", str(port), kind, str(seconds), "8"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        await _watch(port, health, facade, seconds, seen)
        said, _ = await flooder.communicate()
        assert facade.process.poll() is None
    with capsys.disabled():
        print(f"\n{seen.report(kind, int(said))}")  # noqa: T201 - the figures

    assert set(seen.health) == {OK}
    assert seen.megabytes < LIMIT_MEGABYTES
