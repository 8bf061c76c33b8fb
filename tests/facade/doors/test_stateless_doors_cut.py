"""Connections that are cut at every point, and clients that send noise or read nothing."""

import asyncio
import contextlib
from typing import Any

import aiohttp
import pytest

from tests.facade.conftest import Running
from tests.facade.doors.bed import DEFAULT, events_of, opened, request, until

COMPLETIONS = "/v1/chat/completions"
RESPONSES = "/v1/responses"
AGUI = "/ag-ui"
# The default answer has fewer events than this at each of the doors.
POINTS = range(14)


async def cut_after(facade: Running, path: str, body: Any, events: int) -> list[Any]:
    """Read so many events of a stream, cut the connection, and return what was read."""
    async with opened(facade, path, body) as response:
        content = b""
        async for line in response.content:
            content += line
            if content.count(b"\ndata: ") >= events and line == b"\n":
                break
    return [event for event in events_of(content) if event != "[DONE]"]


@pytest.mark.parametrize("events", POINTS)
async def test_a_response_in_the_background_is_whole_wherever_its_stream_was_cut(
    facade: Running, events: int
) -> None:
    body = {"input": "hello", "background": True, "stream": True, "conversation": f"cut-{events}"}
    seen = await cut_after(facade, RESPONSES, body, max(events, 1))
    response_id = seen[0]["response"]["id"]
    path = f"{RESPONSES}/{response_id}?stream=true&starting_after={seen[-1]['sequence_number']}"
    rest = await request(facade, "GET", path)
    whole = [*seen, *rest.events]
    assert [event["sequence_number"] for event in whole] == list(range(len(whole)))
    deltas = [event["delta"] for event in whole if event["type"].endswith("text.delta")]
    assert "".join(deltas) == DEFAULT
    assert whole[-1]["type"] == "response.completed"


def completion(text: str, session: str) -> dict[str, Any]:
    message = {"role": "user", "content": text}
    return {"messages": [message], "metadata": {"session_id": session}, "stream": True}


def run(text: str, session: str) -> dict[str, Any]:
    message = {"id": "u", "role": "user", "content": text}
    return {"threadId": session, "runId": "r", "messages": [message], "tools": [], "context": []}


def response(text: str, session: str) -> dict[str, Any]:
    return {"input": text, "conversation": session, "stream": True}


BODIES = {COMPLETIONS: completion, RESPONSES: response, AGUI: run}


def said(path: str, events: list[Any]) -> str:
    events = [event for event in events if event != "[DONE]"]
    if path == COMPLETIONS:
        choices = [event["choices"][0] for event in events if event.get("choices")]
        return "".join(choice["delta"].get("content") or "" for choice in choices)
    return "".join(event.get("delta", "") for event in events)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("events", POINTS[::2])
async def test_a_session_goes_on_wherever_its_stream_was_cut(
    facade: Running, path: str, events: int
) -> None:
    session = f"cut-{events}"
    await cut_after(facade, path, BODIES[path]("slowly please", session), events)

    async def is_free() -> bool:
        answer = await request(facade, "POST", path, BODIES[path]("hello", session))
        return answer.status == 200 and said(path, answer.events) == DEFAULT

    await until(is_free)


@pytest.mark.parametrize("path", BODIES)
async def test_a_connection_that_is_cut_in_its_request_costs_nothing(
    facade: Running, path: str
) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\n\r\n"
    ).encode() + b'{"messages":[{"role":'
    for size in range(1, len(head), 7):
        _, writer = await asyncio.open_connection("127.0.0.1", facade.port)
        writer.write(head[:size])
        writer.transport.abort()
    answer = await request(facade, "POST", path, BODIES[path]("hello", "after"))
    assert said(path, answer.events) == DEFAULT


@pytest.mark.parametrize("path", BODIES)
async def test_clients_that_do_not_read_disturb_nobody(facade: Running, path: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for number in range(20):
            body = BODIES[path]("slowly please", f"deaf-{number}")
            await stack.enter_async_context(opened(facade, path, body))
        answer = await request(facade, "POST", path, BODIES[path]("hello", "heard"))
        assert said(path, answer.events) == DEFAULT


NOISY = (
    *BODIES,
    f"{RESPONSES}/x",
    f"{RESPONSES}/resp_a_{'0' * 32}/cancel",
    "/v1/models/x",
    "/v1/models",
    f"{AGUI}/capabilities",
)
GARBAGE = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"messages":1}',
    b'{"input":[{}]}',
    b"[" * 9999,
)


@pytest.mark.parametrize("path", NOISY)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"])
async def test_noise_is_answered_with_an_error_in_the_form_of_the_door(
    facade: Running, path: str, method: str
) -> None:
    async with aiohttp.ClientSession() as session:
        for body in GARBAGE:
            for kind in ("application/json", "text/plain"):
                sent = session.request(
                    method, facade.http + path, data=body, headers={"Content-Type": kind}
                )
                async with sent as answer:
                    assert answer.status < 500
                    if answer.status >= 400:
                        document = await answer.json()
                        told = document["error"] if path.startswith("/v1") else document
                        assert told["message"]
