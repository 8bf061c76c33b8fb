"""One message through each door, on the wire: what the tests of all doors share.

A driver sends a message in a session, and returns the text of the answer. A new door adds its own.
"""

import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import aiohttp
from websockets.asyncio.client import connect

from tests.facade.doors.bed import LIMIT, Answer, Served, request, written_doors

Headers: TypeAlias = dict[str, str]
Driver: TypeAlias = Callable[[Served, str, str, Headers], Awaitable[str]]


class Refused(Exception):
    """A door refused the message.

    Attributes:
        answer: what it said.
    """

    def __init__(self, answer: Any) -> None:
        super().__init__(str(answer))
        self.answer = answer


async def post(facade: Served, path: str, body: Any, headers: Headers) -> Answer:
    answer = await request(facade, "POST", path, body, headers)
    if answer.status >= 400:
        raise Refused((answer.status, answer.content.decode()))
    return answer


async def websocket(facade: Served, session: str, text: str, headers: Headers) -> str:
    """Say it over WebSocket, in a session that exists already or in the announced one."""
    url = facade.http.replace("http", "ws", 1) + (f"/ws?session_id={session}" if session else "/ws")
    async with connect(url, additional_headers=headers, open_timeout=LIMIT) as socket:
        await socket.send(json.dumps({"type": "message", "content": text}))
        said = ""
        while True:
            frame = json.loads(await socket.recv())
            if frame["type"] == "chunk":
                said += frame["content"]
            elif frame["type"] == "done":
                return said or str(frame["content"])
            elif frame["type"] == "error":
                raise Refused(frame["error"])


async def chat(facade: Served, session: str, text: str, headers: Headers) -> str:
    message = {"id": uuid.uuid4().hex, "role": "user", "parts": [{"type": "text", "text": text}]}
    answer = await post(facade, "/api/chat", {"id": session, "messages": [message]}, headers)
    return "".join(
        event["delta"]
        for event in answer.events
        if isinstance(event, dict) and event["type"] == "text-delta"
    )


async def completions(facade: Served, session: str, text: str, headers: Headers) -> str:
    body = {"model": "default", "messages": [{"role": "user", "content": text}]}
    given = {**headers, "Omnia-Session-Id": session}
    answer = await post(facade, "/v1/chat/completions", body, given)
    return str(answer.body["choices"][0]["message"]["content"])


async def responses(facade: Served, session: str, text: str, headers: Headers) -> str:
    body = {"model": "default", "input": text, "conversation": session}
    answer = await post(facade, "/v1/responses", body, headers)
    return str(answer.body["output"][0]["content"][0]["text"])


async def agui(facade: Served, session: str, text: str, headers: Headers) -> str:
    body = {
        "threadId": session,
        "runId": uuid.uuid4().hex,
        "messages": [{"id": uuid.uuid4().hex, "role": "user", "content": text}],
        "tools": [],
        "context": [],
        "state": {},
        "forwardedProps": {},
    }
    answer = await post(facade, "/ag-ui", body, {**headers, "Accept": "text/event-stream"})
    errors = [event for event in answer.events if event["type"] == "RUN_ERROR"]
    if errors:
        raise Refused(errors)
    return "".join(
        event["delta"] for event in answer.events if event["type"] == "TEXT_MESSAGE_CONTENT"
    )


async def a2a(facade: Served, session: str, text: str, headers: Headers) -> str:
    message = {
        "messageId": uuid.uuid4().hex,
        "contextId": session,
        "role": "ROLE_USER",
        "parts": [{"text": text}],
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}
    answer = await post(facade, "/a2a", body, {**headers, "A2A-Version": "1.0"})
    if "error" in answer.body:
        raise Refused(answer.body["error"])
    task = answer.body["result"]["task"]
    if task["status"]["state"] != "TASK_STATE_COMPLETED":
        raise Refused(task["status"])
    return "".join(part["text"] for part in task["artifacts"][0]["parts"])


async def mcp(facade: Served, session: str, text: str, headers: Headers) -> str:
    version = "2026-07-28"
    listed = await _mcp(facade, "tools/list", {}, version, headers)
    name = listed["tools"][0]["name"]
    arguments = {"message": text, **({"session_id": session} if session else {})}
    result = await _mcp(
        facade, "tools/call", {"name": name, "arguments": arguments}, version, headers
    )
    if result.get("isError"):
        raise Refused(result["content"])
    return str(result["structuredContent"]["answer"])


async def _mcp(facade: Served, method: str, params: Any, version: str, headers: Headers) -> Any:
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    given = {
        **headers,
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
        "Mcp-Method": method,
        **({"Mcp-Name": params["name"]} if "name" in params else {}),
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    answer = await post(facade, "/mcp", body, given)
    found = answer.events[-1] if answer.events else answer.body
    if "error" in found:
        raise Refused(found["error"])
    return found["result"]


# By door. The door of OpenAI has two.
DRIVERS: dict[str, dict[str, Driver]] = {
    "websocket": {"websocket": websocket},
    "chat": {"chat": chat},
    "openai": {"completions": completions, "responses": responses},
    "agui": {"agui": agui},
    "a2a": {"a2a": a2a},
    "mcp": {"mcp": mcp},
}


def drivers() -> dict[str, Driver]:
    """Return the drivers of WebSocket and of the doors that are in the tree."""
    doors = ("websocket", *written_doors())
    return {name: driver for door in doors for name, driver in DRIVERS[door].items()}


async def begun(facade: Served, headers: Headers) -> str:
    """Begin a session over WebSocket with one message, and return its id."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session,
        session.ws_connect(facade.http + "/ws", headers=headers) as socket,
    ):
        connected = json.loads((await socket.receive()).data)
        await socket.send_str(json.dumps({"type": "message", "content": "first"}))
        while json.loads((await socket.receive()).data)["type"] != "done":
            pass
        return str(connected["session_id"])
