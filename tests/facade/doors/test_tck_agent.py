"""The agent for the conformance kit of A2A does what the beginnings of messageIds say."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.programs import PYTHON

LIMIT = 150.0
VERSION = {"A2A-Version": "1.0"}


@pytest.fixture
async def address() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-m", "tests.facade.doors.tck"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT):
        async for line in process.stdout:
            if line.startswith(b"http://"):
                break
    try:
        yield line.decode().strip()
    finally:
        process.kill()
        await process.wait()


async def sent(address: str, name: str, **more: Any) -> Any:
    message = {"messageId": name, "role": "ROLE_USER", "parts": [{"text": "x"}], **more}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session,
        session.post(f"{address}/a2a/", json=body, headers=VERSION) as response,
    ):
        return (await response.json())["result"]


async def test_every_script_of_the_kit_is_played(address: str) -> None:
    found = {
        name: await sent(address, f"{name}-1")
        for name in (
            *("tck-complete-task", "tck-artifact-text", "tck-artifact-file"),
            *("tck-artifact-file-url", "tck-artifact-data", "tck-reject-task"),
            *("tck-message-response", "tck-input-required"),
        )
    }
    part = {
        name: result["task"]["artifacts"][0]["parts"][0]
        for name, result in found.items()
        if result.get("task", {}).get("artifacts")
    }
    assert part["tck-complete-task"] == {"text": "Hello from TCK"}
    assert part["tck-artifact-file"]["raw"] == "dGNr"
    assert part["tck-artifact-file-url"]["url"] == "https://example.com/output.txt"
    assert part["tck-artifact-data"]["data"] == {"key": "value", "count": 42}
    assert found["tck-reject-task"]["task"]["status"]["state"] == "TASK_STATE_REJECTED"
    assert found["tck-message-response"]["message"]["role"] == "ROLE_AGENT"
    task = found["tck-input-required"]["task"]
    assert task["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    goes_on = await sent(address, "tck-continue", taskId=task["id"])
    assert goes_on["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert goes_on["task"]["id"] == task["id"]
