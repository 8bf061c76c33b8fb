"""What the kernel does for every door, shown at the chat door."""

import asyncio
import json

import aiohttp
import pytest

from omnia_core.units import ByteSize, Duration
from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.bed import LONG, opened, request, until
from tests.facade.doors.test_chat_door import said, text_of
from tests.runtime.scripted import Mounted

APP = "https://app.example.com"
PREFLIGHT = {
    "Origin": APP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,authorization,x-stainless-os,x-other",
}


@pytest.mark.covers("doors.md#origin")
@pytest.mark.parametrize("path", ["/api/chat", "/api/chat/chat-1/stream", "/api/chat/chat-1"])
async def test_a_page_of_another_origin_is_refused(facade: Running, path: str) -> None:
    answer = await request(facade, "GET", path, headers={"Origin": "https://evil.example.com"})
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.covers("doors.md#preflight", "doors.md#exposed-headers")
async def test_a_listed_origin_gets_its_preflight_and_reads_the_headers(
    mock_runtime: Mounted,
) -> None:
    # Without a credential: a preflight has none.
    settings = {"allowed_origins": (APP,), "allow_unauthenticated": False}
    async with bed.doors(mock_runtime, **settings) as facade:
        preflight = await request(facade, "OPTIONS", "/api/chat", headers=PREFLIGHT)
        refused = await request(facade, "POST", "/api/chat", said("hi"), {"Origin": APP})

    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == APP
    allowed = preflight.headers["Access-Control-Allow-Headers"]
    assert allowed == "content-type, authorization, x-stainless-os"
    assert refused.status == 401
    assert "Omnia-Session-Id" in refused.headers["Access-Control-Expose-Headers"]
    assert refused.headers["Access-Control-Allow-Origin"] == APP


@pytest.mark.covers("doors.md#session-id-form")
@pytest.mark.parametrize("name", ["a b", "a/b", "ä", "x" * 129, ".."])
async def test_an_id_that_can_be_no_session_id_is_refused(facade: Running, name: str) -> None:
    answer = await request(facade, "POST", "/api/chat", {**said("hello"), "id": name})
    assert answer.status == 400
    assert "1 to 128 letters" in answer.body["detail"]


@pytest.mark.covers("doors.md#body-limit")
async def test_a_body_that_is_too_large_is_refused(facade: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    writer.write(
        b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 16777217\r\n\r\n"
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    body = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"request_too_large"' in body


@pytest.mark.covers("doors.md#bodies")
async def test_large_bodies_have_room_for_one_another(mock_runtime: Mounted) -> None:
    large, small = {**said("slowly" + " " * 200_000), "id": "large"}, said("hello")
    async with (
        bed.doors(mock_runtime, max_received=ByteSize(300_000)) as facade,
        opened(facade, "/api/chat", large) as response,
    ):
        await response.content.readline()
        refused = await request(facade, "POST", "/api/chat", {**large, "id": "large-2"})
        answered = await request(facade, "POST", "/api/chat", small)
    assert (refused.status, refused.body["error"]) == (503, "overloaded")
    assert answered.status == 200


@pytest.mark.covers("doors.md#max-runs")
async def test_a_turn_beyond_the_limit_of_the_pod_is_refused(mock_runtime: Mounted) -> None:
    async with (
        bed.doors(mock_runtime, max_runs=1) as facade,
        opened(facade, "/api/chat", said("slowly please")) as response,
    ):
        await response.content.readline()
        answer = await request(facade, "POST", "/api/chat", {**said("hello"), "id": "chat-2"})
    assert (answer.status, answer.body["error"]) == (503, "overloaded")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.covers("doors.md#client-tool-timeout")
async def test_a_client_that_does_not_answer_a_tool_is_not_waited_for(
    mock_runtime: Mounted,
) -> None:
    async with bed.doors(mock_runtime, client_tool_timeout=Duration(300)) as facade:
        await request(facade, "POST", "/api/chat", said("pick one"))

        async def goes_on() -> bool:
            return (await request(facade, "GET", "/api/chat/chat-1/stream")).status == 204

        await until(goes_on)
        # The session is free for the next message.
        answer = await request(
            facade, "POST", "/api/chat", {**said("hello"), "messages": said("hello")["messages"]}
        )
    assert answer.status == 200


@pytest.mark.covers("doors.md#another-message")
async def test_another_message_ends_a_turn_that_waits_for_a_tool(facade: Running) -> None:
    await request(facade, "POST", "/api/chat", said("pick one"))
    message = {"id": "u2", "role": "user", "parts": [{"type": "text", "text": "hello"}]}
    answer = await request(facade, "POST", "/api/chat", {"id": "chat-1", "messages": [message]})
    assert text_of(answer.events) == bed.DEFAULT


@pytest.mark.covers("doors.md#run-log")
async def test_an_answer_that_exceeds_the_log_goes_on_and_cannot_be_read_again(
    mock_runtime: Mounted,
) -> None:
    async with (
        bed.doors(mock_runtime, run_log=ByteSize(1000)) as facade,
        opened(facade, "/api/chat", said("slowly please")) as response,
    ):
        read = b""
        async for line in response.content:
            read += line
            if read.count(b"text-delta") == 40:
                break
        again = await request(facade, "GET", "/api/chat/chat-1/stream")
        read += await response.content.read()
    assert again.status == 204
    assert text_of(list(bed.events_of(read))) == LONG


async def test_many_readers_of_one_run_get_the_whole_answer(facade: Running) -> None:
    async with opened(facade, "/api/chat", said("slowly please")) as response:
        await response.content.readline()
        readers = []
        for _ in range(5):
            readers.append(asyncio.ensure_future(request(facade, "GET", "/api/chat/chat-1/stream")))
            await asyncio.sleep(0.1)
        answers = await asyncio.gather(*readers)
        first = await response.content.read()
    assert [text_of(answer.events) for answer in answers] == [LONG] * 5
    assert text_of(list(bed.events_of(first))) == LONG


async def test_a_client_of_http_1_0_gets_a_stream_without_chunks(facade: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
    body = json.dumps(said("hello")).encode()
    head = (
        "POST /api/chat HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    _, _, content = answer.partition(b"\r\n\r\n")
    assert text_of(list(bed.events_of(content))) == bed.DEFAULT


async def test_a_connection_serves_a_stream_and_then_another_request(facade: Running) -> None:
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as session:
        for number in range(3):
            body = {**said("hello"), "id": f"chat-{number}"}
            async with session.post(facade.http + "/api/chat", json=body) as response:
                content = await response.read()
            assert text_of(list(bed.events_of(content))) == bed.DEFAULT


async def test_a_path_of_no_door_is_not_served(facade: Running) -> None:
    answer = await request(facade, "GET", "/api/chats")
    assert answer.status == 404


async def test_without_doors_nothing_of_them_is_served(mock_runtime: Mounted) -> None:
    async with bed.doors(mock_runtime, doors=("none",)) as facade:
        answer = await request(facade, "POST", "/api/chat", said("hello"))
    assert answer.status == 404
