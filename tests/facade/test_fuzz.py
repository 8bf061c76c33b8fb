"""Ten thousand broken requests and frames, while somebody has a conversation beside them."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.facade.conftest import Client, connected
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.facade.test_program import PROGRAM, ROOT, environment
from tests.noise import Noise
from tests.services import free_port, wait_listening

AT_ONCE = 8
# A burst of large frames may be under way at the moment of the measurement.
GROWTH_MB = 40

Kind = Callable[[Noise], list[bytes]]


def resident_mb(pid: int) -> float:
    """Return the resident set of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


@contextlib.asynccontextmanager
async def facade_program(
    log: Path, **variables: object
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a facade that writes errors only, to a file: nobody would read a pipe meanwhile."""
    limits = {"OMNIA_MESSAGE_RATE": 100_000, "OMNIA_MESSAGE_BURST": 100_000}
    given = environment(LOG_LEVEL="error", **limits, **variables)
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(*PROGRAM, env=given, cwd=ROOT, stderr=sink)
    try:
        await asyncio.to_thread(wait_listening, int(given["OMNIA_FACADE_PORT"]))
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def send(port: int, pieces: list[bytes]) -> None:
    """Send noise, end the connection on this side, and wait until the server has ended it too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            with contextlib.suppress(OSError):  # the server may have cut the connection already
                writer.write_eof()
            async with asyncio.timeout(LIMIT):
                while await reader.read(65536):
                    pass
    finally:
        writer.transport.abort()


async def make_noise(port: int, noise: Noise, kind: Kind, count: int) -> None:
    """Send noise until there was enough of it."""

    async def one() -> None:
        while noise.made < count:
            await send(port, kind(noise))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one())


async def talk(client: Client) -> int:
    """Converse until cancelled, and check every answer; return the number of turns."""
    for number in itertools.count():
        try:
            await client.say(f"turn {number}")
            frames = await client.answer()
        except asyncio.CancelledError:
            return number
        said = [(frame["type"], frame["content"]) for frame in frames]
        whole = f"you said turn {number}"
        assert said == [("chunk", "you said "), ("chunk", f"turn {number}"), ("done", whole)]
        assert len({frame["session_id"] for frame in frames}) == 1
    raise AssertionError


@pytest.mark.covers("websocket.md#noise")
@pytest.mark.parametrize(
    "count",
    [
        2_000,
        pytest.param(6_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
async def test_noise_touches_nobody(count: int, tmp_path: Path) -> None:
    runtime = ScriptedRuntime(audio=True, resume=pb.RESUME_STATE_RESUMABLE)
    noise = Noise(seed=6)
    port = free_port()
    async with (
        serving(runtime) as runtime_port,
        facade_program(
            tmp_path / "log",
            OMNIA_RUNTIME_ADDRESS=f"127.0.0.1:{runtime_port}",
            OMNIA_FACADE_PORT=port,
        ) as facade,
        connected(f"ws://127.0.0.1:{port}/ws") as client,
    ):
        talking = asyncio.create_task(talk(client))
        await make_noise(port, noise, Noise.connection, count // 10)
        before = resident_mb(facade.pid)
        await make_noise(port, noise, Noise.connection, count)
        assert facade.returncode is None
        assert not talking.done(), talking.exception()
        talking.cancel()
        assert await talking > count / 1000
        assert resident_mb(facade.pid) < before + GROWTH_MB
    assert (tmp_path / "log").read_text() == ""


async def call(session: aiohttp.ClientSession, url: str) -> int:
    """Call the function until cancelled, and check every answer; return the number of calls."""
    for number in itertools.count():
        try:
            async with session.post(url, json={"number": number}) as response:
                answer = await response.json()
        except asyncio.CancelledError:
            return number
        assert (response.status, answer["output"]) == (200, {"said": "yes"})
    raise AssertionError


@pytest.mark.parametrize(
    "count",
    [
        1_000,
        pytest.param(1_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
async def test_noise_at_a_function_touches_nobody(count: int, tmp_path: Path) -> None:
    runtime = ScriptedRuntime(output_json='{"said":"yes"}')
    noise = Noise(seed=6)
    port = free_port()
    file = tmp_path / "function.json"
    file.write_text('{"name": "f", "inputSchema": {"type": "object"}, "outputSchema": {}}')
    async with (
        serving(runtime) as runtime_port,
        facade_program(
            tmp_path / "log",
            OMNIA_MODE="function",
            OMNIA_FUNCTION_PATH=file,
            OMNIA_RUNTIME_ADDRESS=f"127.0.0.1:{runtime_port}",
            OMNIA_FACADE_PORT=port,
        ) as facade,
        aiohttp.ClientSession() as session,
    ):
        calling = asyncio.create_task(call(session, f"http://127.0.0.1:{port}/functions/f"))
        await make_noise(port, noise, Noise.calls, count // 10)
        before = resident_mb(facade.pid)
        await make_noise(port, noise, Noise.calls, count)
        assert facade.returncode is None
        assert not calling.done(), calling.exception()
        calling.cancel()
        assert await calling > count / 1000
        assert resident_mb(facade.pid) < before + GROWTH_MB
    assert (tmp_path / "log").read_text() == ""
