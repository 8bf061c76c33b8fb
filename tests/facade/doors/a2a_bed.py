"""The official A2A client, and what the tests of the A2A door say with it."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import httpx
from a2a.client import Client, ClientConfig, ClientFactory
from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from tests.facade.doors.bed import Answer, Served, request

BINDINGS = ("JSONRPC", "HTTP+JSON", "GRPC")
LIMIT = 150.0


@contextlib.asynccontextmanager
async def client(
    facade: Served, binding: str = "JSONRPC", headers: dict[str, str] | None = None
) -> AsyncIterator[Client]:
    """Connect the official client by the agent's card."""
    async with httpx.AsyncClient(timeout=LIMIT, headers=headers) as transport:
        config = ClientConfig(
            httpx_client=transport,
            supported_protocol_bindings=[binding],
            streaming=True,
            grpc_channel_factory=grpc.aio.insecure_channel,
        )
        yield await ClientFactory(config).create_from_url(facade.http)


def said(text: str, **more: Any) -> pb.SendMessageRequest:
    """Return a request with a new message."""
    message = pb.Message(
        message_id=str(uuid.uuid4()), role=pb.ROLE_USER, parts=[pb.Part(text=text)], **more
    )
    return pb.SendMessageRequest(message=message)


def plain(message: Message) -> Any:
    """Return a message of the protocol as JSON."""
    return MessageToDict(message)


def text_of(task: pb.Task) -> str:
    return "".join(part.text for artifact in task.artifacts for part in artifact.parts)


def streamed_text(events: list[pb.StreamResponse]) -> str:
    """Return the text of a stream as a client puts it together, from its first task on."""
    text = ""
    for event in events:
        if event.HasField("task"):
            text = text_of(event.task)
        elif event.HasField("artifact_update"):
            update = event.artifact_update
            piece = "".join(part.text for part in update.artifact.parts)
            text = text + piece if update.append else piece
    return text


async def rpc(
    facade: Served,
    method: str,
    params: Any,
    headers: dict[str, str] | None = None,
    *,
    version: str = "1.0",
) -> Answer:
    """Send a JSON-RPC request."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    given = {"A2A-Version": version} if version else {}
    return await request(facade, "POST", "/a2a", body, {**given, **(headers or {})})


def message(text: str, **more: Any) -> dict[str, Any]:
    """Return the parameters of SendMessage."""
    parts = [{"text": text}]
    return {
        "message": {"messageId": str(uuid.uuid4()), "role": "ROLE_USER", "parts": parts, **more}
    }


async def events(
    facade: Served, method: str, params: Any, *, stop_after: int | None = None
) -> list[Any]:
    """Read the results of a stream; cut the connection after `stop_after` of them."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    found: list[Any] = []
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as session,
        session.post(f"{facade.http}/a2a", json=body, headers={"A2A-Version": "1.0"}) as response,
    ):
        async for line in response.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:])["result"])
                if len(found) == stop_after:
                    return found
    return found


def plain_text(found: list[Any]) -> str:
    """Return the text of a stream's results, from its first task on."""
    text = ""
    for result in found:
        if "task" in result:
            parts = [part for art in result["task"].get("artifacts", []) for part in art["parts"]]
            text = "".join(part["text"] for part in parts)
        elif update := result.get("artifactUpdate"):
            piece = "".join(part["text"] for part in update["artifact"]["parts"])
            text = text + piece if update.get("append") else piece
    return text
