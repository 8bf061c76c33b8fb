"""`python -m omnia_facade` as a process."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.programs import PYTHON
from tests.services import free_port
from tests.transport import VARIABLES

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "omnia_facade")
FORKED = (PYTHON, *PROGRAM[1:])


def environment(**variables: object) -> dict[str, str]:
    """An environment with nothing of the caller's but its path, and free ports."""
    given = {
        "OMNIA_AGENT_NAME": "agent",
        "OMNIA_BIND_ADDRESS": "127.0.0.1",
        "OMNIA_FACADE_PORT": free_port(),
        "OMNIA_HEALTH_PORT": free_port(),
        "OMNIA_FACADE_ALLOW_UNAUTHENTICATED": "true",
        **VARIABLES,
        **variables,
    }
    return {"PATH": os.environ["PATH"], **{name: str(value) for name, value in given.items()}}


def refused(**variables: object) -> str:
    done = subprocess.run(
        FORKED,
        env=environment(**variables),
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=LIMIT,
    )
    assert done.returncode == 2
    # The start line, with the version, precedes it unless the environment is invalid.
    *started, line = done.stderr.decode().splitlines()
    assert [orjson.loads(each)["event"] for each in started] in ([], ["starting"])
    assert line.startswith("omnia-facade: ")
    return line


@asynccontextmanager
async def program(
    command: Sequence[str] = FORKED, /, **variables: object
) -> AsyncIterator[asyncio.subprocess.Process]:
    env = environment(**variables)
    process = await asyncio.create_subprocess_exec(
        *command, env=env, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(LIMIT):
            assert process.stderr
            line = b""
            while b'"event": "serving"' not in line:
                line = await process.stderr.readline()
                assert line, "the program has ended"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def test_a_missing_variable_is_named() -> None:
    assert "OMNIA_AGENT_NAME: missing" in refused(OMNIA_AGENT_NAME="")


@pytest.mark.parametrize("variable", ["OMNIA_FACADE_PORT", "OMNIA_HEALTH_PORT"])
def test_an_occupied_port_is_named_with_its_variable(variable: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = refused(OMNIA_HANDLER_MODE="echo", **{variable: port})
    assert f"port {port} is occupied" in line
    assert variable in line


def test_a_schema_that_does_not_compile_is_named(tmp_path: Path) -> None:
    path = tmp_path / "function.json"
    path.write_bytes(orjson.dumps({"name": "f", "inputSchema": {"type": "no"}, "outputSchema": {}}))
    line = refused(OMNIA_MODE="function", OMNIA_FUNCTION_PATH=path)
    assert "inputSchema does not compile: /type" in line


def test_a_missing_function_file_is_named() -> None:
    assert "/nowhere/f.json" in refused(
        OMNIA_MODE="function", OMNIA_FUNCTION_PATH="/nowhere/f.json"
    )


async def test_a_function_is_served_on_the_same_loop_as_in_a_pod(tmp_path: Path) -> None:
    path = tmp_path / "function.json"
    path.write_bytes(orjson.dumps({"name": "f", "inputSchema": {}, "outputSchema": {}}))
    port = free_port()
    async with (
        serving(ScriptedRuntime()) as runtime_port,
        program(
            PROGRAM,
            OMNIA_MODE="function",
            OMNIA_FUNCTION_PATH=path,
            OMNIA_RUNTIME_ADDRESS=f"127.0.0.1:{runtime_port}",
            OMNIA_FACADE_PORT=port,
        ) as process,
        aiohttp.ClientSession() as session,
    ):
        async with session.post(f"http://127.0.0.1:{port}/functions/f", json={}) as response:
            assert (response.status, (await response.json())["output"]) == (200, {})
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(LIMIT):
            assert await process.wait() == 0


@pytest.mark.parametrize(
    ("mode", "unwanted"),
    [
        ("echo", ("grpc", "aiohttp", "jsonschema_rs", "opentelemetry", "pydantic")),
        ("runtime", ("aiohttp", "jsonschema_rs", "opentelemetry", "pydantic")),
    ],
)
def test_a_pod_loads_only_what_its_mode_needs(mode: str, unwanted: tuple[str, ...]) -> None:
    code = (
        "import asyncio, sys; from omnia_core.env import FacadeEnv\n"
        "from omnia_core.names import *\n"
        "from omnia_facade.app import FacadeServer\n"
        f"env = FacadeEnv(agent_name='a', handler_mode=Handler('{mode}'), bind_address='127.0.0.1',"
        f" facade_port={free_port()}, health_port={free_port()})\n"
        "async def main():\n"
        "    stop = asyncio.Event(); stop.set(); await FacadeServer(env).serve(stop)\n"
        "asyncio.run(main()); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=LIMIT
    )
    loaded = set(done.stdout.decode().split())
    assert loaded.isdisjoint(unwanted)
