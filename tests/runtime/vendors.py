"""A vendor's HTTP API on the loopback address, as far as the providers see it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

# The answer to a request: its status, its headers, its body.
Refusal = tuple[int, dict[str, str], dict[str, Any]]


class VendorServer:
    """Answers every POST with the same server-sent events.

    Attributes:
        bodies, headers, urls: what was asked, in order; the URLs are without the host.
        events: what is answered; those with a "type" are named by it, as Anthropic does.
        hold: when set, the answer stops after the events until the client goes.
        cut: when set, the connection is broken after the events.
        left: is set when the client of a held answer has gone.
        refusal: is answered instead.
    """

    def __init__(
        self, events: Sequence[dict[str, Any]] = (), *, hold: bool = False, cut: bool = False
    ) -> None:
        self.events = events
        self.hold = hold
        self.cut = cut
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.urls: list[str] = []
        self.left = asyncio.Event()
        self.refusal: Refusal | None = None

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(json.loads(await request.read()))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.urls.append(request.path_qs)
        if self.refusal:
            status, headers, body = self.refusal
            return web.json_response(body, status=status, headers=headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for each in self.events:
            name = f"event: {each['type']}\n" if "type" in each else ""
            await response.write(f"{name}data: {json.dumps(each)}\n\n".encode())
        if self.cut and request.transport:
            request.transport.abort()
        elif self.hold:
            while request.transport and not request.transport.is_closing():  # noqa: ASYNC110 - aiohttp signals it in no other way
                await asyncio.sleep(0.01)
            self.left.set()
        return response


CLAUDE_USAGE = {
    "input_tokens": 50,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 40,
    "output_tokens": 1,
}


def claude_answer(
    *blocks: Sequence[dict[str, Any]], stop: str = "end_turn", output: int = 7
) -> list[dict[str, Any]]:
    """A whole answer; each block is its beginning and the deltas that follow."""
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": CLAUDE_USAGE,
    }
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    events.append({"type": "ping"})
    for index, (begin, *deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": begin})
        events += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": stop, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}})
    return [*events, {"type": "message_stop"}]


def claude_text(*pieces: str) -> list[dict[str, Any]]:
    """A block of text."""
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return [{"type": "text", "text": ""}, *deltas]


def claude_call(call_id: str, name: str, *pieces: str) -> list[dict[str, Any]]:
    """A tool call, whose arguments come in pieces."""
    begin = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    return [begin, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces)]


GEMINI_USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 40,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 107,
}


def gemini_chunk(*parts: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A chunk of an answer."""
    candidate: dict[str, Any] = {"index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": GEMINI_USAGE,
        "modelVersion": "gemini-3-flash",
        "responseId": "r1",
    }
