"""Who is let in, how many, and how fast they may speak; over real sockets."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from omnia_core.files.auth import AuthFile, EdgeTrust
from omnia_core.http.head import RequestHead
from omnia_core.names import Handler, Mode
from omnia_core.units import ByteSize
from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.principal import Principal
from omnia_facade.entrance.capacity import Admission, Capacity
from omnia_facade.entrance.router import ConnectionRouter, EntranceContext
from omnia_facade.timings import Timings
from tests.facade.auth_files import Mounted
from tests.facade.conftest import Running, connected, http_side, running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving


@contextlib.asynccontextmanager
async def echo(**settings: Any) -> AsyncIterator[Running]:
    async with running(handler_mode=Handler.ECHO, **settings) as facade:
        yield facade


async def counted(facade: Running, name: str, **labels: str) -> float:
    """Return the value of a series."""
    given = {"agent": "agent", "namespace": "default", **labels}
    pairs = ",".join(f'{key}="{value}"' for key, value in sorted(given.items()))
    wanted = f"{name}{{{pairs}}}"
    async with aiohttp.ClientSession() as session, session.get(f"{facade.health}/metrics") as got:
        lines = (await got.text()).splitlines()
    (found,) = [line for line in lines if line.startswith(wanted)]
    return float(found.split()[-1])


async def rejections(facade: Running, reason: str) -> float:
    return await counted(facade, "omnia_facade_rejections_total", reason=reason)


async def refused(url: str, **options: Any) -> tuple[int, str, str | None]:
    """Return status, error and Retry-After of an upgrade that is refused."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, **options)
    answer = caught.value.response
    error = orjson.loads(answer.body or b"")["error"]
    return answer.status_code, error, answer.headers.get("Retry-After")


@pytest.mark.covers("websocket.md#refused-too-many")
async def test_connections_beyond_the_limit_are_told_to_come_later() -> None:
    async with echo(max_connections=3) as facade:
        async with connected(facade.ws), connected(facade.ws):
            # of ten at once, one gets the last place
            doors = await asyncio.gather(
                *(connect(facade.ws) for _ in range(10)), return_exceptions=True
            )
            inside = [each for each in doors if not isinstance(each, BaseException)]
            outside = [each for each in doors if isinstance(each, InvalidStatus)]
            assert (len(inside), len(outside)) == (1, 9)
            assert {each.response.status_code for each in outside} == {503}
            assert await refused(facade.ws) == (503, "too_many_connections", "10")
            assert await rejections(facade, "too_many_connections") == 10
        async with asyncio.timeout(LIMIT):
            await inside[0].close()
        async with connected(facade.ws), connected(facade.ws), connected(facade.ws) as client:
            await client.say("hello")
            assert (await client.receive())["content"] == "Echo: hello"


@pytest.mark.covers("websocket.md#silent-head-is-replaced")
async def test_silent_clients_do_not_keep_out_others_for_as_long_as_they_may_stay() -> None:
    async with echo(max_connections=3, timings=Timings(silent=0.05)) as facade:
        silent = [await asyncio.open_connection("127.0.0.1", facade.port) for _ in range(3)]
        for _, writer in silent:
            writer.write(b"GET /ws HTTP/1.1\r\n")
        await asyncio.sleep(0.1)
        async with connected(facade.ws) as client, connected(facade.ws):
            await client.say("hello")
            assert (await client.receive())["content"] == "Echo: hello"
            async with asyncio.timeout(LIMIT):
                for reader, _ in silent[:2]:
                    with contextlib.suppress(ConnectionError):
                        assert await reader.read() == b""
            assert not silent[2][0].at_eof()
            async with connected(facade.ws):
                # Those that are admitted are not replaced.
                assert await refused(facade.ws) == (503, "too_many_connections", "10")
        for _, writer in silent:
            writer.close()


async def test_http_connections_take_places_too(tmp_path: Path) -> None:
    path = tmp_path / "function.json"
    path.write_bytes(orjson.dumps({"name": "f", "inputSchema": {}, "outputSchema": {}}))
    async with (
        serving(ScriptedRuntime()) as port,
        running(
            mode=Mode.FUNCTION,
            function_path=str(path),
            runtime_address=f"127.0.0.1:{port}",
            max_connections=1,
        ) as facade,
    ):
        call = f"{facade.http}/functions/f"
        async with aiohttp.ClientSession() as first, aiohttp.ClientSession() as second:
            async with first.post(call, json={}) as answer:
                assert answer.status == 200
            async with first.post(facade.http, json={}) as answer:
                assert answer.status == 404
            assert await rejections(facade, "not_found") == 1
            async with second.post(call, json={}) as answer:
                assert answer.status == 503
                assert (await answer.json())["error"] == "too_many_connections"
            # a connection that stays open goes on
            async with first.post(call, json={}) as answer:
                assert answer.status == 200
        async with asyncio.timeout(LIMIT), aiohttp.ClientSession() as third:
            statuses = [503]
            while statuses[-1] == 503:
                async with third.post(call, json={}) as answer:
                    statuses.append(answer.status)
            assert statuses[-1] == 200


@pytest.mark.covers("websocket.md#refused-too-many-of-user")
async def test_a_user_has_only_so_many_connections_and_nobody_else_is_kept_out(
    tmp_path: Path,
) -> None:
    mounted = Mounted(tmp_path)
    mounted.rules(AuthFile(edge_trust=EdgeTrust(subject="x-user-id")))
    ann: dict[str, Any] = {"additional_headers": {"x-user-id": "ann"}}
    bob: dict[str, Any] = {"additional_headers": {"x-user-id": "bob"}}
    async with echo(auth_path=str(mounted.auth), max_connections_per_user=2) as facade:
        async with connected(facade.ws, **ann), connected(facade.ws, **ann):
            expected = (429, "too_many_connections_of_user", "10")
            assert await refused(facade.ws, **ann) == expected
            assert await rejections(facade, "too_many_connections_of_user") == 1
            async with connected(facade.ws, **bob):
                pass
            # those whom nobody vouches for are not one user
            async with connected(facade.ws), connected(facade.ws), connected(facade.ws):
                pass
        async with connected(facade.ws, **ann), connected(facade.ws, **ann):
            pass


@pytest.mark.covers("websocket.md#message-rate")
async def test_messages_beyond_the_rate_are_refused_and_the_connection_stays() -> None:
    async with echo(message_rate=2, message_burst=3) as facade, connected(facade.ws) as client:
        for number in range(5):
            await client.say(str(number))
        frames = [await client.receive() for _ in range(5)]
        errors = [frame["error"] for frame in frames if frame["type"] == "error"]
        said = {frame["content"] for frame in frames if frame["type"] == "done"}
        assert said == {"Echo: 0", "Echo: 1", "Echo: 2"}
        assert [error["code"] for error in errors] == ["RATE_LIMITED"] * 2
        assert errors[0]["message"].startswith("rate limit exceeded")
        assert await rejections(facade, "message_rate") == 2
        limited = "omnia_facade_control_messages_ratelimited_total"
        assert await counted(facade, limited) == 2
        async with asyncio.timeout(LIMIT):
            while True:
                await client.say("again")
                if (await client.receive())["type"] == "done":
                    break
                await asyncio.sleep(0.05)


@pytest.mark.covers("websocket.md#close-too-fast")
async def test_who_goes_on_hammering_is_closed_with_1008() -> None:
    async with (
        echo(message_rate=1, message_burst=2) as facade,
        connected(facade.ws, max_queue=None) as client,
    ):
        with contextlib.suppress(ConnectionClosed):
            for _ in range(100):
                await client.say("hi")
        async with asyncio.timeout(LIMIT):
            await client.socket.wait_closed()
        closed = (client.socket.close_code, client.socket.close_reason)
        assert closed == (1008, "rate limit exceeded")


@pytest.mark.parametrize(
    ("path", "settings", "status", "reason"),
    [
        ("/", {}, 404, "not_found"),
        ("/ws", {}, 426, "upgrade_required"),
        ("/ws", {"allow_unauthenticated": False}, 401, "unauthorized"),
    ],
)
async def test_a_head_request_is_refused_without_a_body(
    path: str, settings: dict[str, Any], status: int, reason: str
) -> None:
    async with echo(**settings) as facade:
        reader, writer = await asyncio.open_connection("127.0.0.1", facade.port)
        writer.write(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(LIMIT):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert body == b""
        assert b"Content-Length: 0" not in head
        assert await rejections(facade, reason) == 1


@pytest.mark.covers("websocket.md#large-message-refused", "websocket.md#close-too-much")
async def test_what_all_clients_may_send_before_it_is_answered_is_bounded() -> None:
    large = "x" * 700_000
    async with (
        serving(ScriptedRuntime()) as port,
        running(runtime_address=f"127.0.0.1:{port}", max_received=ByteSize(4_000_000)) as facade,
        connected(facade.ws) as slow,
        connected(facade.ws) as other,
        connected(facade.ws) as huge,
    ):
        await slow.say(f"slow {'x' * 3_900_000}")
        await slow.until("chunk")
        await other.say(large)
        error = (await other.answer())[-1]["error"]
        assert error["code"] == "RATE_LIMITED"
        assert "large messages" in error["message"]
        await other.say("small")
        assert (await other.answer())[-1]["content"] == "you said small"
        with contextlib.suppress(ConnectionClosed):
            await huge.say(large * 4)
        async with asyncio.timeout(LIMIT):
            await huge.socket.wait_closed()
        assert huge.socket.close_code == 1013
        assert await rejections(facade, "too_much_received") == 2

        await slow.send("cancel")
        assert (await slow.answer())[-1]["finish_reason"] == "cancelled"
        await other.say(large)
        assert (await other.answer())[-1]["content"] == f"you said {large}"


@pytest.mark.covers("websocket.md#media-rate")
async def test_binary_messages_are_read_no_faster_than_their_rate() -> None:
    rate = {"media_rate": ByteSize(1_000_000), "media_burst": ByteSize(100_000)}
    async with echo(**rate) as facade, connected(facade.ws) as client:
        began = time.monotonic()
        for _ in range(4):
            await client.socket.send(b"x" * 150_000)
        for _ in range(4):
            assert (await client.receive())["error"]["code"] == "INVALID_MESSAGE"
        # all but the burst, and what is read at once
        assert time.monotonic() - began > 0.2
        assert await counted(facade, "omnia_facade_media_frames_ratelimited_total") >= 2


async def test_a_connection_that_cannot_be_opened_is_cut_and_takes_no_place() -> None:
    def crashes(head: RequestHead, principal: Principal) -> asyncio.Protocol:
        raise LookupError(head.path, principal.subject)

    class Ann:
        expected = ""

        async def validate(self, headers: Mapping[str, str]) -> Principal:
            return Principal(headers["host"], user_id="ann")

    capacity = Capacity(limit=1, user_limit=1)
    entrance = EntranceContext(
        authenticator=Authenticator([Ann()], allow_unauthenticated=False),
        capacity=capacity,
        rejected=print,
        upgrade=crashes,
    )
    loop = asyncio.get_running_loop()
    async with await loop.create_server(
        lambda: ConnectionRouter(entrance), "127.0.0.1", 0
    ) as server:
        port = server.sockets[0].getsockname()[1]
        for _ in range(2):
            with pytest.raises(InvalidMessage):
                await connect(f"ws://127.0.0.1:{port}/ws", open_timeout=LIMIT)
    assert capacity.enter() is Admission.ADMITTED
    assert capacity.enter_user("ann")
    assert not entrance.tasks


class Paused(asyncio.Protocol):
    """Pauses reading as soon as it has something, as a protocol does that is busy."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.arrived = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert self.transport
        self.received += data
        self.arrived.set()
        self.transport.pause_reading()


async def test_a_protocol_that_pauses_reading_with_its_first_bytes_gets_no_more() -> None:
    inner = Paused()
    entrance = EntranceContext(
        authenticator=Authenticator([], allow_unauthenticated=True),
        capacity=Capacity(limit=1, user_limit=1),
        rejected=print,
        http=http_side(lambda: inner),
    )
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    loop = asyncio.get_running_loop()
    async with await loop.create_server(
        lambda: ConnectionRouter(entrance), "127.0.0.1", 0
    ) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(head)
        async with asyncio.timeout(LIMIT):
            await inner.arrived.wait()
        inner.arrived.clear()
        writer.write(b"more")
        await asyncio.sleep(0.2)
        assert inner.received == head
        assert inner.transport
        inner.transport.resume_reading()
        async with asyncio.timeout(LIMIT):
            await inner.arrived.wait()
        assert inner.received == head + b"more"
        inner.transport.abort()
        writer.close()
