"""Whatever strangers send to the doors of agents and MCP clients is answered; nothing crashes."""

import json
import random
from typing import Any

import aiohttp
import pytest

from tests.facade.conftest import Running
from tests.facade.doors.a2a_bed import message
from tests.facade.doors.test_mcp_door import modern

LIMIT = 150.0
ROUNDS = 150
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e300, 2**70, "", "x" * 300, "\ud800", "\x00", "../..", {}, []),
    *([[[]]], {"a": {"b": None}}, "TASK_STATE_COMPLETED", [{"text": 1}], {"kind": "file"}),
)
NAMES = ("message", "parts", "role", "id", "params", "_meta", "metadata", "text", "status", "kind")
METHODS = (
    *("SendMessage", "SendStreamingMessage", "GetTask", "ListTasks", "CancelTask"),
    *("SubscribeToTask", "CreateTaskPushNotificationConfig", "GetExtendedAgentCard"),
    *("message/send", "message/stream", "tasks/get", "tasks/pushNotificationConfig/set", "x"),
)
PATHS = ("message:send", "message:stream", "tasks", "tasks/a", "tasks/a:cancel", "tasks/%2F", "x")


def mutated(choice: random.Random, value: Any) -> Any:
    """Return a document with something else in one place."""
    if isinstance(value, dict) and value and choice.random() < 0.8:
        name = choice.choice([*value])
        changed = {**value, name: mutated(choice, value[name])}
        if choice.random() < 0.2:
            changed[choice.choice(NAMES)] = choice.choice(VALUES)
        return changed
    if isinstance(value, list) and value and choice.random() < 0.8:
        return [mutated(choice, value[0]), *value[1:]]
    return choice.choice(VALUES)


def body_of(choice: random.Random, document: Any) -> bytes:
    """Return a document as bytes, sometimes cut or with other bytes in it."""
    data = json.dumps(mutated(choice, document)).encode()
    if choice.random() < 0.1:
        return data[: choice.randrange(len(data) + 1)]
    if choice.random() < 0.1:
        place = choice.randrange(len(data))
        return data[:place] + bytes([choice.randrange(256)]) + data[place + 1 :]
    return data


def a2a(choice: random.Random) -> tuple[str, Any, dict[str, str]]:
    method = choice.choice(METHODS)
    version = choice.choice(["1.0", "0.3", "", "9", "1.0.0.0", "\t"])
    params = message("hello") if choice.random() < 0.6 else {"id": "t", "pageSize": 2}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return "/a2a", body, {"A2A-Version": version}


def rest(choice: random.Random) -> tuple[str, Any, dict[str, str]]:
    query = choice.choice(["", "?pageSize=x", "?status=1", "?historyLength=-1", "?pageToken=%00"])
    return f"/a2a/v1/{choice.choice(PATHS)}{query}", message("hello"), {"A2A-Version": "1.0"}


def mcp(choice: random.Random) -> tuple[str, Any, dict[str, str]]:
    method = choice.choice(["tools/call", "tools/list", "server/discover", "initialize", "ping"])
    body, headers = modern(method, name="agent", arguments={"message": "hello"})
    if choice.random() < 0.3:
        headers.pop(choice.choice([*headers]))
    return "/mcp", body, headers


@pytest.mark.parametrize("request_of", [a2a, rest, mcp])
async def test_mutated_requests_are_answered(
    facade: Running, request_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    choice = random.Random(request_of.__name__)  # noqa: S311 - the same mutations every time
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session:
        for _ in range(ROUNDS):
            path, document, headers = request_of(choice)
            data = body_of(choice, document)
            kind = choice.choice(["application/json"] * 9 + ["text/plain"])
            method = choice.choice(["POST"] * 9 + ["GET"])
            async with session.request(
                method, facade.http + path, data=data, headers={"Content-Type": kind, **headers}
            ) as response:
                await response.read()
                assert response.status < 500, (path, data, headers)
    assert "crashed" not in capsys.readouterr().out
