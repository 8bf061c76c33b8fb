"""Facade and runtime talk over either transport, and over one at each end."""

import asyncio
import copy
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import yaml
from websockets.asyncio.client import connect

from omnia_core.env.shared import GrpcTransport
from tests.end_to_end.conftest import EXAMPLES, LIMIT, OMNIA_STARTED, OMNIA_WITH, Example, Start
from tests.transport import TRANSPORT

PAIRS = [
    (facade, runtime)
    for facade in GrpcTransport
    for runtime in GrpcTransport
    if GrpcTransport.GRPCIO in (facade, runtime)
]


def with_transports(name: str, folder: Path) -> None:
    """Write an example with an agent for each pair of transports."""
    for file in (EXAMPLES / name).glob("*.yaml"):
        documents = []
        for document in yaml.safe_load_all(file.read_text()):
            agent = document["kind"] == "AgentRuntime"
            documents += [chosen(document, *pair) for pair in PAIRS] if agent else [document]
        (folder / f"{name}-{file.name}").write_text(yaml.safe_dump_all(documents))


def chosen(agent: dict[str, Any], facade: str, runtime: str) -> dict[str, Any]:
    made = copy.deepcopy(agent)
    made["metadata"]["name"] += f"-{facade}-{runtime}"
    for side, transport in (("facade", facade), ("runtime", runtime)):
        block = made["spec"].setdefault(side, {})
        block["extraEnv"] = [{"name": "OMNIA_GRPC_TRANSPORT", "value": str(transport)}]
    return made


async def talk(url: str) -> None:
    async with connect(url) as socket:
        connected = orjson.loads(await socket.recv())
        await socket.send('{"type":"message","content":"Where is order A-1001?"}')
        frames = [orjson.loads(await socket.recv())]
        while frames[-1]["type"] not in ("done", "error"):
            frames.append(orjson.loads(await socket.recv()))
    types = [frame["type"] for frame in frames]
    assert types[:2] == ["tool_call", "tool_result"]
    assert "oak desk" in frames[-1]["content"]
    said = [frame["content"] for frame in frames if frame["type"] == "chunk"]
    assert "".join(said) == frames[-1]["content"]
    # Resumed on another connection, which asks the runtime whether it knows the session.
    async with connect(f"{url}?session_id={connected['session_id']}") as socket:
        await socket.recv()
        assert orjson.loads(await socket.recv())["connected"]["resumed"] is True
        await socket.send('{"type":"message","content":"hello"}')
        while (frame := orjson.loads(await socket.recv()))["type"] != "done":
            assert frame["type"] != "error"


async def call(session: aiohttp.ClientSession, url: str) -> None:
    async with session.post(url, json={"message": "hi"}) as response:
        assert response.status == 200, await response.text()
        assert (await response.json())["usage"]["output_tokens"] > 0


def test_the_programs_have_the_transport_of_this_run_and_not_the_other(
    start: Start, example: Example
) -> None:
    command = OMNIA_STARTED if TRANSPORT is GrpcTransport.BUILTIN else OMNIA_WITH
    ready = start(example("support-agent"), omnia=command).wait("ready")
    for pid in ready["pids"].values():
        loaded = "cygrpc" in Path(f"/proc/{pid}/maps").read_text()
        assert loaded == (TRANSPORT is GrpcTransport.GRPCIO)


@pytest.mark.skipif(TRANSPORT is GrpcTransport.GRPCIO, reason="this run has no other transport")
async def test_conversations_and_calls_pass_over_every_pair(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    with_transports("support-agent", folder)
    with_transports("echo-function", folder)
    up = start(folder)
    await asyncio.to_thread(up.wait, "serving")
    ready = [event for event in up.events if event["event"] == "ready"]
    async with asyncio.timeout(LIMIT), aiohttp.ClientSession() as session:
        await asyncio.gather(
            *(talk(each["url"]) for each in ready if each["mode"] == "agent"),
            *(call(session, each["url"]) for each in ready if each["mode"] == "function"),
        )
    assert len(ready) == 2 * len(PAIRS)
