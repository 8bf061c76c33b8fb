"""OpenAI's client for JavaScript and the client of AG-UI, at their doors."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.bed import DEFAULT, LIMIT, LONG
from tests.facade.doors.test_chat_clients import CLIENT, NODE
from tests.runtime.scripted import Mounted

pytestmark = pytest.mark.skipif(
    not (NODE.is_file() and (CLIENT / "node_modules/@ag-ui/client").is_dir()),
    reason="the packages of tests/clients/node are not installed: npm ci there",
)


async def client(script: str, url: str, scenario: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), script, url, scenario),
        cwd=CLIENT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(2 * LIMIT):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


@pytest.fixture
async def numbered(numbered_runtime: Mounted) -> AsyncIterator[Running]:
    async with bed.doors(numbered_runtime) as served:
        yield served


async def test_completions(facade: Running) -> None:
    seen = await client("openai_door.mjs", f"{facade.http}/v1", "completions")
    assert seen["models"] == ["agent"]
    assert seen["whole"] == seen["text"] == DEFAULT
    assert seen["session"]
    assert seen["tokens"] >= 0


async def test_tools_that_the_client_runs_by_itself(facade: Running) -> None:
    seen = await client("openai_door.mjs", f"{facade.http}/v1", "tools")
    assert seen == {"text": "You picked 7 May.", "calls": 1}


async def test_responses(facade: Running) -> None:
    seen = await client("openai_door.mjs", f"{facade.http}/v1", "responses")
    assert seen["text"] == seen["first"] == seen["read"] == DEFAULT
    assert seen["conversation"]
    assert seen["previous"]
    assert seen["numbers"] == list(range(len(seen["numbers"])))
    assert seen["whole"] == LONG


async def test_errors_have_the_classes_and_codes_that_the_client_knows(facade: Running) -> None:
    seen = await client("openai_door.mjs", f"{facade.http}/v1", "errors")
    assert seen["seen"] == [
        ["NotFoundError", "model_not_found"],
        ["BadRequestError", "unsupported_parameter"],
        ["NotFoundError", "response_not_found"],
    ]


async def test_an_agui_client_has_each_message_once(numbered: Running) -> None:
    seen = await client("agui_door.mjs", f"{numbered.http}/ag-ui", "turns")
    assert seen["faults"] == []
    assert seen["texts"] == [f"This is turn {turn}." for turn in (1, 2, 3)]
    assert seen["roles"] == ["user", "assistant"] * 3


async def test_an_agui_client_executes_its_tool(facade: Running) -> None:
    seen = await client("agui_door.mjs", f"{facade.http}/ag-ui", "tool")
    assert seen == {"calls": ["pick_date"], "texts": ["You picked 7 May."], "faults": []}


async def test_an_agui_client_reads_the_capabilities(facade: Running) -> None:
    seen = await client("agui_door.mjs", f"{facade.http}/ag-ui", "capabilities")
    assert seen["issues"] == []


async def test_an_agui_client_is_told_of_a_failure(facade: Running) -> None:
    seen = await client("agui_door.mjs", f"{facade.http}/ag-ui", "failure")
    assert seen["told"]
    assert seen["faults"] == []
