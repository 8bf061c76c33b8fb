"""The program as a process: start, refusal to start, reload, end."""

import asyncio
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.runtime.program import LIMIT, Program, Stream, client, health_until, kinds, said
from tests.runtime.scripted import Mounted, pack

Start = Callable[..., Program]

RELOAD_SECONDS = 2.0


def get(mounted: Mounted, path: str) -> str:
    url = f"http://127.0.0.1:{mounted.health_port}{path}"
    with urllib.request.urlopen(url, timeout=LIMIT) as response:
        return str(response.read().decode())


async def refused(program: Program) -> str:
    """Return the one line with which a program refuses to start."""
    code, errors = await program.end()
    assert code == 2, errors
    lines = [line for line in errors.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, errors
    assert lines[0].startswith("omnia-runtime: ")
    return lines[0]


BAD_FILES: list[tuple[str, str, str]] = [
    ("pack.json", "{", "is not JSON"),
    ("pack.json", orjson.dumps(pack("{{nobody}}")).decode(), "nobody"),
    ("providers.yaml", "providers: []", "no provider"),
    ("providers.yaml", "providers: [{name: default, type: cohere, model: m}]", "cohere"),
    (
        "providers.yaml",
        "providers: [{name: default, type: openai, model: m, baseURL: x}]",
        "baseURL",
    ),
    ("mock.yaml", "scenarios: {a: {turns: {1: 5}}}", "scenarios.a.turns.1"),
    ("tools.yaml", "handlers: 5", "tools.yaml"),
]


@pytest.mark.parametrize(("name", "content", "said_"), BAD_FILES)
async def test_a_bad_file_refuses_to_start_with_one_line(
    mounted: Mounted, start: Start, name: str, content: str, said_: str
) -> None:
    (mounted.folder / name).write_text(content)
    assert said_ in await refused(start())


@pytest.mark.parametrize(
    ("environment", "said_"),
    [
        ({"OMNIA_AGENT_NAME": ""}, "OMNIA_AGENT_NAME: missing"),
        ({"OMNIA_GRPC_PORT": "x"}, "OMNIA_GRPC_PORT"),
        ({"OMNIA_SESSION_TYPE": "redis"}, "OMNIA_SESSION_URL: missing"),
        ({"OMNIA_SESSION_TYPE": "postgres"}, "OMNIA_SESSION_URL: missing"),
        (
            {"OMNIA_SESSION_TYPE": "postgres", "OMNIA_SESSION_URL": "redis://x"},
            "expected postgresql://",
        ),
        ({"OMNIA_PROMPTPACK_PATH": "/nowhere/pack.json"}, "/nowhere/pack.json"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
    ],
)
async def test_a_bad_environment_refuses_to_start_with_one_line(
    start: Start, environment: dict[str, str], said_: str
) -> None:
    assert said_ in await refused(start(**environment))


@pytest.mark.parametrize("which", ["grpc_port", "health_port"])
async def test_an_occupied_port_is_named(mounted: Mounted, start: Start, which: str) -> None:
    port = getattr(mounted, which)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        line = await refused(start())
    assert f"OMNIA_{which.upper()}" in line
    assert str(port) in line


async def answer_until(stream: Stream, expected: str) -> float:
    """Ask until the answer is as expected; return the seconds that took."""
    began = time.monotonic()
    while said(await stream.ask("hi")) != expected:
        assert time.monotonic() - began < LIMIT
    return time.monotonic() - began


async def test_a_new_pack_is_used_by_the_next_turn_of_a_conversation(
    mounted: Mounted, start: Start
) -> None:
    variable: dict[str, Any] = {"name": "who", "type": "string", "required": True}
    mounted.write_pack(pack("For {{who}}.", variables=[variable]))
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        assert (await stream.ask("hi"))[-1].error.code == "INVALID_MESSAGE"
        mounted.write_pack(pack("For {{who}}.", variables=[variable | {"default": "Ada"}]))
        began = time.monotonic()
        while kinds(await stream.ask("hi")) != ["chunk", "done"]:
            assert time.monotonic() - began < LIMIT
    assert time.monotonic() - began < RELOAD_SECONDS


async def test_a_swapped_link_is_seen_and_a_running_turn_keeps_the_old(
    mounted: Mounted, start: Start, tmp_path: Path
) -> None:
    slow = {"content": "old 1 2 3", "inter_chunk_ms": 300}
    mounted.write_responses({"scenarios": {"default": {"turns": {1: slow}}}})
    (tmp_path / "mock.yaml").rename(tmp_path / "old.yaml")
    (tmp_path / "mock.yaml").symlink_to("old.yaml")
    start()
    async with client(mounted) as stub:
        running, other = Stream(stub), Stream(stub)
        await running.send("hi", session="a")
        (tmp_path / "new.yaml").write_text("defaultResponse: new")
        (tmp_path / "link").symlink_to("new.yaml")
        (tmp_path / "link").replace(tmp_path / "mock.yaml")
        await other.send("hi", session="b")
        assert said(await running.turn()) == "old 1 2 3"
        await other.turn()
        assert await answer_until(other, "new") < RELOAD_SECONDS


async def test_a_broken_file_keeps_the_last_good_and_is_told_by_health(
    mounted: Mounted, start: Start
) -> None:
    start()
    async with client(mounted) as stub:
        (mounted.folder / "pack.json").write_text("{")
        health = await health_until(stub, "pack.json")
        assert health.healthy
        stream = Stream(stub)
        assert said(await stream.ask("hi")) == "Hello there, friend."
        mounted.write_pack(pack())
        await health_until(stub, "ready")


async def test_sigterm_lets_end_what_was_accepted(mounted: Mounted, start: Start) -> None:
    slow = {"content": "one two three", "inter_chunk_ms": 200}
    mounted.write_responses({"scenarios": {"default": {"turns": {1: slow, 2: "and two"}}}})
    program = start()
    async with client(mounted) as stub:
        busy, idle = Stream(stub), Stream(stub)
        await busy.send("hi")
        assert [(await busy.read()) is not None for _ in range(2)] == [True, True]
        assert await idle.read() is not None
        program.process.terminate()
        assert await idle.read() is None
        await busy.send("waits in the stream")
        assert (await busy.turn())[-1].done.final_content == "one two three"
        assert (await busy.turn())[-1].done.final_content == "and two"
        # as a facade does whose next message belongs to another session
        other = Stream(stub)
        assert (await other.ask("waited in the facade", "s2"))[-1].done.final_content
        other.call.cancel()
        assert await busy.read() is None
    assert (await program.end())[0] == 0


async def test_a_turn_that_outlasts_the_drain_is_cut(mounted: Mounted, start: Start) -> None:
    mounted.write_responses({"latency_ms": 60000})
    program = start(OMNIA_DRAIN_TIMEOUT="100ms")
    async with client(mounted) as stub:
        stream = Stream(stub)
        await stream.send("hi")
        assert await stream.read() is not None
        program.process.terminate()
        assert (await program.end())[0] == 0


async def test_probes_and_metrics_are_served(mounted: Mounted, start: Start) -> None:
    start()
    async with client(mounted) as stub:
        await Stream(stub).ask("hi")
    assert await asyncio.to_thread(get, mounted, "/healthz") == "ok\n"
    assert await asyncio.to_thread(get, mounted, "/readyz") == "ready\n"
    metrics = await asyncio.to_thread(get, mounted, "/metrics")
    const = 'agent="agent",namespace="default"'
    model = 'agent="agent",model="m",namespace="default",provider="default"'
    for line in (
        f"omnia_runtime_info{{{const}}} 1.0",
        f'omnia_provider_requests_total{{{model},status="success"}} 1.0',
        f"omnia_provider_output_tokens_total{{{model}}} 20.0",
        f'omnia_pipeline_duration_seconds_count{{{const},status="success",variant="stable"}} 1.0',
        f'omnia_turn_cost_usd_count{{{const},variant="stable"}} 1.0',
    ):
        assert line in metrics


def loaded_by(pid: int) -> str:
    """Return the native modules that a process has loaded, "" where the system does not tell."""
    maps = Path(f"/proc/{pid}/maps")
    return maps.read_text() if maps.exists() else ""


async def test_an_agent_without_http_loads_no_http_client(mounted: Mounted, start: Start) -> None:
    program = start(["env"])
    async with client(mounted) as stub:
        await Stream(stub).ask("hi")
        loaded = loaded_by(program.process.pid)
    assert [name for name in ("aiohttp", "jsonschema_rs", "pydantic") if name in loaded] == []


def test_no_model_library_is_imported() -> None:
    source = "".join(path.read_text() for path in Path("omnia_runtime").rglob("*.py"))
    for name in ("pydantic", "openai"):
        assert f"import {name}\n" not in source
        assert f"from {name} " not in source


@pytest.mark.parametrize(("host", "open_"), [({}, False), ({"OMNIA_GRPC_HOST": "0.0.0.0"}, True)])
async def test_the_server_is_open_on_loopback_only(
    mounted: Mounted, start: Start, host: dict[str, str], open_: bool
) -> None:
    """Nothing outside of the pod reaches it, also where a candidate's pod lets facades in."""
    start(**host)
    async with client(mounted):
        with socket.socket() as other:
            # Another address of this machine stands for that of a pod.
            reached = other.connect_ex(("127.0.0.2", mounted.grpc_port)) == 0
    assert reached is open_
