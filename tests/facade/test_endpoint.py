"""Conversations over real sockets, with a client that this project did not write."""

import asyncio
import contextlib
import itertools
import socket
from typing import Any

import aiohttp
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.typing import Origin

from omnia_core.http.origins import is_same_origin
from omnia_core.http.received import ALLOWANCE, RESERVE_FOR_HEADS
from omnia_core.names import Handler
from omnia_core.units import Duration
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.timings import Timings
from tests.facade.conftest import Running, connected, running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.facade.test_admission import counted


@pytest.mark.covers("websocket.md#chunk", "websocket.md#done", "websocket.md#turn-order")
async def test_a_turn_streams_from_the_runtime_to_the_client(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("hello")
        frames = await client.answer()

    assert [frame["type"] for frame in frames] == ["chunk", "chunk", "done"]
    assert "".join(frame["content"] for frame in frames[:-1]) == frames[-1]["content"]
    assert frames[-1]["usage"] == {"input_tokens": 3, "output_tokens": 2, "cost_usd": 0.0008}
    assert frames[-1]["finish_reason"] == "stop"


@pytest.mark.covers("websocket.md#tool-call", "websocket.md#tool-result")
async def test_tool_calls_of_the_runtime_are_shown(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    async with connected(agent.ws) as client:
        await client.say("tools")
        frames = await client.answer()

    assert [frame["type"] for frame in frames] == ["tool_call", "tool_result", "done"]
    assert runtime.metadata[0]["omnia-show-tools"] == "true"


@pytest.mark.covers("websocket.md#client-tool-result", "websocket.md#client-tool-ack")
async def test_a_client_tool_is_answered_over_the_socket(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("ask")
        call = (await client.until("tool_call"))[-1]["tool_call"]
        await client.send("tool_call_ack", tool_call_ack={"call_id": call["id"]})
        await client.send("tool_result", tool_result={"call_id": call["id"], "result": {"x": 1}})
        frames = await client.answer()

    assert call["execution"] == "client"
    assert frames[-1]["content"] == '{"x":1}'


@pytest.mark.covers("websocket.md#cancel", "websocket.md#cancel-keeps-what-was-said")
async def test_cancel_ends_the_turn_with_what_was_said_and_the_next_runs(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("slow")
        await client.until("chunk")
        await client.say("next")
        await client.send("cancel")
        cancelled = await client.answer()
        following = await client.answer()

    assert (cancelled[-1]["content"], cancelled[-1]["finish_reason"]) == ("so far", "cancelled")
    assert following[-1]["content"] == "you said next"


@pytest.mark.covers("websocket.md#described-media")
async def test_what_describes_a_medium_is_no_error_and_does_not_reach_the_runtime(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    media = {"mime_type": "image/png", "data": "AAAA", "filename": "a.png", "detail": "low"}
    async with connected(agent.ws) as client:
        await client.send("message", parts=[{"type": "image", "media": media}])
        assert (await client.answer())[-1]["type"] == "done"
        await client.send("message", parts=[{"type": "image", "media": {"width": "wide"}}])
        assert (await client.answer())[-1]["error"]["code"] == "INVALID_MESSAGE"

    (received,) = runtime.received
    assert {field.name for field, _ in received.parts[0].media.ListFields()} == {
        "mime_type",
        "data",
    }


async def test_cancel_in_the_same_packet_as_its_message_is_not_lost(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("slow")
        await client.send("cancel")
        frames = await client.answer()

    assert frames[-1]["finish_reason"] == "cancelled"


@pytest.mark.covers("websocket.md#closing-cancels")
async def test_a_closed_socket_cancels_the_turn_at_the_runtime(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    async with connected(agent.ws) as client:
        await client.say("slow")
        await client.until("chunk")
    async with asyncio.timeout(LIMIT):
        await runtime.stream_over.wait()


@pytest.mark.covers("websocket.md#session-expired", "websocket.md#unknown-session")
async def test_an_unknown_session_is_refused_and_the_connection_stays(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("hello", session_id="gone")
        assert (await client.answer())[-1]["error"]["code"] == "SESSION_EXPIRED"
        await client.say("hello")
        assert (await client.answer())[-1]["type"] == "done"


async def test_a_known_session_is_resumed_by_the_query_or_by_a_message(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    runtime.resume = pb.RESUME_STATE_RESUMABLE
    async with connected(f"{agent.ws}?session_id=old") as client:
        resumed = await client.receive()
        await client.say("hello")
        await client.answer()
        await client.say("hello", session_id="older")
        frames = await client.answer()

    assert (resumed["session_id"], resumed["connected"]["resumed"]) == ("old", True)
    assert (frames[0]["session_id"], frames[0]["connected"]["resumed"]) == ("older", True)
    assert [message.session_id for message in runtime.received] == ["old", "older"]


@pytest.mark.covers("websocket.md#slow-client")
async def test_a_client_that_does_not_read_stops_the_stream_from_the_runtime(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    count = 250
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", agent.port))
    async with connected(agent.ws, sock=small, max_queue=1, max_size=None) as client:
        await client.say(f"flood {count} 65536")
        seen = -1
        while seen < runtime.chunks_sent or seen == 0:
            seen = runtime.chunks_sent
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.2)
        assert 0 < seen < count
        frames = await client.answer()

    assert len(frames) == count + 1


async def test_the_demo_streams_words_and_shows_tools(demo: Running) -> None:
    async with connected(demo.ws) as client:
        await client.say("What is the weather?")
        weather = await client.answer()
        await client.say("I forgot my password")
        password = await client.answer()
        await client.say("This is nothing")
        default = await client.answer()

    assert [frame["type"] for frame in weather[:3]] == ["tool_call", "tool_result", "chunk"]
    assert weather[0]["tool_call"]["id"] == "call_002"
    assert password[0]["tool_call"]["name"] == "lookup-user"
    assert "help" in default[-1]["content"]
    chunks = [frame["content"] for frame in default[:-1]]
    assert len(chunks) > 3
    assert "".join(chunks) == default[-1]["content"]


async def test_the_demo_can_be_cancelled(demo: Running) -> None:
    async with connected(demo.ws) as client:
        await client.say("hello")
        first = (await client.until("chunk"))[-1]
        await client.send("cancel")
        last = (await client.answer())[-1]

    assert last["finish_reason"] == "cancelled"
    assert last["content"].startswith(first["content"])
    assert last["content"] != "Hello! What would you like to try?"


async def test_echo_answers_with_text_or_the_text_of_parts(echo: Running) -> None:
    async with connected(echo.ws) as client:
        await client.say("hello")
        assert (await client.receive())["content"] == "Echo: hello"
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        await client.send("message", parts=parts)
        assert (await client.receive())["content"] == "Echo: ab"


@pytest.mark.covers("websocket.md#announced-sessions")
async def test_without_a_runtime_sessions_are_the_ids_that_were_announced(echo: Running) -> None:
    async with connected(echo.ws) as client:
        await client.say("one")
        session_id = (await client.receive())["session_id"]

    async with connected(f"{echo.ws}?session_id={session_id}") as client:
        assert (await client.receive())["connected"]["resumed"] is True
        await client.say("two", session_id="never")
        assert (await client.receive())["error"]["code"] == "SESSION_EXPIRED"


@pytest.mark.covers("websocket.md#invalid-message")
@pytest.mark.parametrize(
    ("data", "said"),
    [("{", "not JSON"), ('{"type":"chat"}', '"chat"'), (b"\x00\x01", "binary frames")],
)
async def test_what_cannot_be_read_is_told_and_the_connection_stays(
    echo: Running, data: str | bytes, said: str
) -> None:
    async with connected(echo.ws) as client:
        await client.socket.send(data)
        error = (await client.receive())["error"]
        assert error["code"] == "INVALID_MESSAGE"
        assert said in error["message"]
        await client.say("still here")
        assert (await client.receive())["content"] == "Echo: still here"


@pytest.mark.covers("websocket.md#fragments")
async def test_a_message_in_fragments_is_one_message(echo: Running) -> None:
    async with connected(echo.ws) as client:
        await client.socket.send(['{"type":"message",', '"content":', '"whole"}'])
        assert (await client.receive())["content"] == "Echo: whole"


@pytest.mark.parametrize("megabytes", [1, 15])
async def test_a_large_message_passes(echo: Running, megabytes: int) -> None:
    text = "x" * (megabytes << 20)
    async with connected(echo.ws, max_size=None) as client:
        await client.say(text)
        assert (await client.receive())["content"] == f"Echo: {text}"


@pytest.mark.covers("websocket.md#close-too-large")
async def test_a_message_over_the_limit_closes_with_1009(echo: Running) -> None:
    client = await connect(echo.ws, compression=None)
    async with asyncio.timeout(LIMIT):
        with contextlib.suppress(ConnectionClosed):
            await client.send("x" * (20 << 20))
        await client.wait_closed()
    assert client.close_code == 1009


@pytest.mark.covers("websocket.md#close-not-utf8")
async def test_text_that_is_not_utf8_closes_with_1007(echo: Running) -> None:
    async with connected(echo.ws) as client:
        good = b'{"type":"message","content":"hi"}'
        frames = [Frame(Opcode.TEXT, data) for data in (b'{"type":"\xff"}', good)]
        # in one packet: what follows is not read
        client.socket.transport.write(b"".join(f.serialize(mask=True) for f in frames))
        with pytest.raises(ConnectionClosed) as caught:
            await client.receive()
        assert caught.value.rcvd
        assert caught.value.rcvd.code == 1007
        assert await counted(echo, "omnia_agent_messages_received_total") == 1


@pytest.mark.covers("websocket.md#path")
async def test_every_path_of_agents_leads_to_the_conversation(echo: Running) -> None:
    async with connected(f"{echo.http.replace('http', 'ws')}/api/agents/n/a/ws?agent=a") as client:
        await client.say("hello")
        assert (await client.receive())["type"] == "done"


@pytest.mark.covers("websocket.md#refused-misdirected")
@pytest.mark.parametrize("path", ["/ws", "/", "/functions/x"])
@pytest.mark.parametrize(
    ("host", "settings", "taken"),
    [
        ("localhost:1", {}, True),
        ("agent.localhost", {}, True),
        ("127.8.9.10", {}, True),
        ("[::1]:80", {}, True),
        ("evil.example", {}, False),
        ("127.0.0.1.evil.example:80", {}, False),
        ("[", {}, False),
        ("app.example", {"allowed_origins": ("http://app.example",)}, True),
        ("evil.example", {"allow_unauthenticated": False}, True),
    ],
)
async def test_a_page_that_gave_itself_our_address_is_refused(
    path: str, host: str, settings: dict[str, Any], *, taken: bool
) -> None:
    async with running(handler_mode=Handler.ECHO, console=True, **settings) as facade:
        reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        status = int((await reader.readline()).split()[1])
        writer.close()
    assert (status != 421) == taken


@pytest.mark.covers("websocket.md#refused-unauthorized", "websocket.md#refused-origin")
@pytest.mark.parametrize(
    ("settings", "origin", "status"),
    [
        ({}, None, None),
        ({}, "same", None),
        ({}, "http://elsewhere.example", 403),
        ({}, "same over TLS", 403),
        ({"allowed_origins": ("https://app.example",)}, "https://app.example", None),
        ({"allowed_origins": ("https://app.example",)}, "same", 403),
        ({"allow_unauthenticated": False}, None, 401),
    ],
)
async def test_who_may_connect_is_decided_before_the_upgrade(
    settings: dict[str, Any], origin: str | None, status: int | None
) -> None:
    async with running(handler_mode=Handler.ECHO, **settings) as facade:
        same = {"same": facade.http, "same over TLS": facade.http.replace("http", "https")}
        given = same.get(origin, origin) if origin else None
        if status is None:
            async with connected(facade.ws, origin=given):
                return
        with pytest.raises(InvalidStatus) as caught:
            await connect(facade.ws, origin=Origin(given) if given else None)
        assert caught.value.response.status_code == status
        assert "error" in orjson.loads(caught.value.response.body or b"")


@pytest.mark.parametrize(
    ("origin", "host", "forwarded", "local", "same"),
    [
        ("http://a.example", "a.example", "", False, True),
        ("https://a.example", "a.example", "", False, True),
        ("https://A.example:443", "a.EXAMPLE", "", False, True),
        ("http://a.example:80", "a.example", "", False, True),
        ("http://a.example", "a.example", "https", False, False),
        ("https://a.example", "a.example", "https, http", False, True),
        ("https://a.example", "a.example", "http", False, False),
        ("http://localhost:1", "localhost:1", "", True, True),
        ("https://localhost:1", "localhost:1", "", True, False),
        ("https://localhost:1", "localhost:1", "https", True, True),
        ("ftp://a.example", "a.example", "", False, False),
        ("http://a.example:81", "a.example", "", False, False),
        ("http://b.example", "a.example", "", False, False),
        ("http://a.example@b.example", "b.example", "", False, False),
        ("http://a.example", "", "", False, False),
        ("http://", "", "", False, False),
        ("null", "null", "", False, False),
        ("http://[", "a.example", "", False, False),
        ("http://a.example:x", "a.example", "", False, False),
    ],
)
def test_a_page_has_the_origin_of_its_server_when_scheme_host_and_port_are_alike(
    origin: str, host: str, forwarded: str, *, local: bool, same: bool
) -> None:
    assert is_same_origin(origin, host=host, forwarded_scheme=forwarded, local=local) is same


@pytest.mark.covers("websocket.md#refused-path", "websocket.md#refused-no-upgrade")
@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/ws", 426, "upgrade_required"),
        ("GET", "/", 404, "not_found"),
        ("POST", "/functions/agent", 404, "not_found"),
    ],
)
async def test_what_is_no_conversation_gets_a_proper_http_answer(
    echo: Running, method: str, path: str, status: int, error: str
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, echo.http + path, data=b"{}") as response,
    ):
        assert response.status == status
        assert (await response.json())["error"] == error


@pytest.mark.covers("websocket.md#refused-unfinished")
async def test_large_heads_are_bounded_together_and_an_ordinary_client_is_served_meanwhile() -> (
    None
):
    large = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 60_000
    most = RESERVE_FOR_HEADS // (len(large) - ALLOWANCE)
    async with running(handler_mode=Handler.ECHO, timings=Timings(head=LIMIT)) as echo:
        clients = [await asyncio.open_connection("127.0.0.1", echo.port) for _ in range(most + 20)]
        for _, writer in clients:
            writer.write(large)
        answers = [asyncio.create_task(reader.read(4096)) for reader, _ in clients]
        for answer in itertools.islice(asyncio.as_completed(answers, timeout=LIMIT), 20):
            refusal = await answer
            assert refusal.startswith(b"HTTP/1.1 503 ")
            assert b'"overloaded"' in refusal
        assert await counted(echo, "omnia_facade_rejections_total", reason="overloaded") >= 20
        async with connected(echo.ws) as client:
            await client.say("hello")
            assert (await client.receive())["content"] == "Echo: hello"
        for _, writer in clients:
            writer.transport.abort()
        await asyncio.wait(answers)


@pytest.mark.covers("websocket.md#refused-bad-request", "websocket.md#refused-large-head")
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 hello\r\n\r\n", b"400"),
        (b"GET /ws HTTP/1.1\r\nX: " + b"x" * 70_000, b"431"),
        (b"GET /ws HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", b"431"),
        (
            (
                b"GET /ws HTTP/1.1\r\nHost: localhost\r\n"
                b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            ),
            b"400",
        ),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    echo: Running, sent: bytes, status: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
    writer.write(sent)
    async with asyncio.timeout(LIMIT):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 " + status)
    writer.close()
    await writer.wait_closed()


@pytest.mark.covers("websocket.md#rate-limited")
async def test_each_of_many_messages_at_once_is_answered_or_refused(demo: Running) -> None:
    async with connected(demo.ws) as client:
        for _ in range(12):
            await client.say("hi")
        ends = [(await client.answer())[-1]["type"] for _ in range(12)]

    assert ends == ["error"] * 3 + ["done"] * 9


async def text_of(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_the_metrics_count_connections_turns_and_messages(echo: Running) -> None:
    async with connected(echo.ws) as client:
        await client.say("hello")
        await client.receive()
        _, metrics = await text_of(f"{echo.health}/metrics")

    labels = '{agent="agent",namespace="default"}'
    assert f"omnia_agent_connections_active{labels} 1.0" in metrics
    assert f"omnia_agent_connections_total{labels} 1.0" in metrics
    assert f"omnia_agent_messages_received_total{labels} 1.0" in metrics
    assert f"omnia_agent_messages_sent_total{labels} 2.0" in metrics
    series = "omnia_agent_requests_total" + labels.replace("}", ',status="success"')
    assert series + ',variant="stable"} 1.0' in metrics
    assert 'handler="echo",le="0.1"' in metrics


async def test_readiness_is_the_runtimes(agent: Running, runtime: ScriptedRuntime) -> None:
    assert await text_of(f"{agent.health}/readyz") == (200, "ok\n")
    runtime.healthy = False
    status, text = await text_of(f"{agent.health}/readyz")
    assert (status, text) == (503, "runtime: no pack\n")


@pytest.mark.covers("websocket.md#refused-draining", "websocket.md#close-going-away")
async def test_shutdown_lets_the_turn_end_and_refuses_newcomers(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    async with connected(agent.ws) as idle, connected(agent.ws) as busy:
        await busy.say("ask")
        await busy.until("tool_call")
        agent.stop.set()
        with pytest.raises(ConnectionClosed) as caught:
            await idle.receive()
        assert caught.value.rcvd
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "server shutdown")

        assert await text_of(f"{agent.health}/readyz") == (503, "draining\n")
        with pytest.raises(InvalidStatus) as refused:
            await connect(agent.ws)
        assert refused.value.response.status_code == 503

        await busy.send("tool_result", tool_result={"call_id": "c1", "result": 1})
        assert (await busy.answer())[-1]["content"] == "1"
        with pytest.raises(ConnectionClosed):
            await busy.receive()


async def test_shutdown_does_not_wait_for_ever(runtime: ScriptedRuntime) -> None:
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", drain_timeout=Duration(100)) as facade,
        connected(facade.ws) as client,
    ):
        await client.say("slow")
        await client.until("chunk")
        facade.stop.set()
        with pytest.raises(ConnectionClosed) as caught:
            await client.answer()
        assert caught.value.rcvd
        assert caught.value.rcvd.code == 1001
