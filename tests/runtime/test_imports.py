"""What an idle runtime has not loaded: memory that only those pay for who use it."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.runtime.program import LIMIT
from tests.runtime.scripted import Mounted

# Runs the program until its port accepts connections, and prints what is loaded then.
SCRIPT = """
import asyncio, os, signal, sys
from omnia_core.env import RuntimeEnv
from omnia_runtime.app import Runtime

async def main():
    env = RuntimeEnv.parse(os.environ)
    running = asyncio.create_task(Runtime(env).run())
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", env.grpc_port)
            break
        except OSError:
            await asyncio.sleep(0.01)
    writer.close()
    print(*sorted(sys.modules), sep="\\n")
    os.kill(os.getpid(), signal.SIGTERM)
    await running

asyncio.run(main())
"""

LIBRARIES = [
    "aiohttp",
    "anthropic",
    "asyncpg",
    "google.genai",
    "jmespath",
    "jsonschema_rs",
    "mcp",
    "openai",
    "opentelemetry",
    "pydantic",
    "pymongo",
    "re2",
    "redis",
    "sqlite3",
]
OWN = [
    "omnia_core.openapi",
    "omnia_core.sessions.mongodb.store",
    "omnia_core.sessions.postgres.store",
    "omnia_core.sessions.redis.store",
    "omnia_core.sessions.sqlite.store",
    "omnia_core.wire.tools",
    "omnia_runtime.providers.claude.adapter",
    "omnia_runtime.providers.gemini.adapter",
    "omnia_runtime.providers.openai.adapter",
    "omnia_runtime.providers.vendor_http",
    "omnia_runtime.tools.grpc.handler",
    "omnia_runtime.tools.http.handler",
]


def loaded(mounted: Mounted, **variables: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**mounted.environment(), **variables},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    return set(done.stdout.split())


def test_an_idle_runtime_has_loaded_nothing_that_it_does_not_use(mounted: Mounted) -> None:
    there = loaded(mounted)
    assert "omnia_runtime.providers.mock.adapter" in there
    assert {name for name in (*LIBRARIES, *OWN) if name in there} == set()


@pytest.mark.parametrize("name", [*LIBRARIES, *OWN])
def test_each_name_here_is_that_of_a_module(name: str) -> None:
    assert find_spec(name) is not None


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("openai", "omnia_runtime.providers.openai.adapter"),
        ("claude", "omnia_runtime.providers.claude.adapter"),
        ("gemini", "omnia_runtime.providers.gemini.adapter"),
    ],
)
def test_a_provider_loads_its_own_adapter_and_no_http_before_its_first_call(
    mounted: Mounted, kind: str, module: str
) -> None:
    mounted.write_provider(type=kind, model="m", mockResponsesPath=None)
    there = loaded(mounted)
    adapters = {name for name in OWN if name.startswith("omnia_runtime.providers.")}
    shared = "omnia_runtime.providers.vendor_http"
    assert adapters & there == {module, shared}
    assert {name for name in LIBRARIES if name in there} == set()


def test_sessions_in_a_file_load_no_other_driver(mounted: Mounted, tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    there = loaded(mounted, OMNIA_SESSION_TYPE="sqlite", OMNIA_SESSION_PATH=str(path))
    drivers = {name for name in OWN if name.startswith("omnia_core.sessions.")}
    assert drivers & there == {"omnia_core.sessions.sqlite.store"}
    assert {name for name in LIBRARIES if name in there} == {"sqlite3"}
