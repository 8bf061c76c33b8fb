"""The whole protocol with Node's `ws`, a client that this project did not write."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.facade.conftest import running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving

CLIENT = Path(__file__).parents[1] / "clients/node"
Steps = dict[str, list[dict[str, Any]]]


async def steps_of(node: str, url: str) -> Steps:
    """Run the client, and return what it saw of each step."""
    process = await asyncio.create_subprocess_exec(
        *(node, str(CLIENT / "protocol.mjs"), url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(2 * LIMIT):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode() + output.decode()
    lines = [orjson.loads(line) for line in output.splitlines()]
    return {line["step"]: line["frames"] for line in lines}


async def test_node_chats_executes_a_tool_cancels_calls_and_resumes(
    need_program: Callable[[str, str], str],
) -> None:
    node = need_program("node", "apt-get install nodejs npm")
    if not (CLIENT / "node_modules/ws").is_dir():
        pytest.fail(f"Node's ws package is not installed: run `make test`, or npm ci in {CLIENT}")
    runtime = ScriptedRuntime(audio=True, resume=pb.RESUME_STATE_RESUMABLE)
    async with serving(runtime) as port, running(runtime_address=f"127.0.0.1:{port}") as facade:
        steps = await steps_of(node, facade.ws)

    (announced,) = steps["connected"]
    assert announced["connected"]["capabilities"]["binary_frames"] is True
    assert [frame["type"] for frame in steps["chat"]] == ["chunk", "chunk", "done"]
    assert steps["chat"][-1]["content"] == "you said hello"
    call, done = steps["tool"]
    assert call["tool_call"]["execution"] == "client"
    assert done["content"] == '{"city":"Bern"}'
    end = steps["cancel"][-1]
    assert (end["content"], end["finish_reason"]) == ("so far", "cancelled")
    *heard, end = steps["binary"]
    assert heard == [
        {"type": "binary", "last": False, "payload": "one"},
        {"type": "binary", "last": True, "payload": "two"},
    ]
    assert (end["type"], end["content"]) == ("done", "bye")
    assert steps["closed"][-1]["code"] == 1000
    (resumed,) = steps["resumed"]
    assert (resumed["session_id"], resumed["connected"]["resumed"]) == (
        announced["session_id"],
        True,
    )
    assert {frame["session_id"] for frame in steps["chat again"]} == {announced["session_id"]}
