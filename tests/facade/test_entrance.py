"""What decides at the entrance, as functions of a request and of counts."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import orjson
import pytest
from msgspec import structs

from omnia_core.http.errors import HttpError, response_bytes
from omnia_core.http.head import MAX_HEAD_BYTES, RepeatedField, RequestHead, parse_head
from omnia_core.http.hosts import HostRule
from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.principal import Principal
from omnia_facade.entrance.admission import is_conversation, rejection_of_upgrade
from omnia_facade.entrance.capacity import Capacity
from omnia_facade.entrance.errors import (
    shutting_down,
    too_many_connections,
    too_many_connections_of_user,
    unauthorized,
)
from omnia_facade.entrance.http_side import HttpProtocolFactory, HttpSide
from omnia_facade.entrance.router import ConnectionRouter, EntranceContext
from omnia_facade.timings import USUAL
from tests.facade.conftest import http_side
from tests.services import LIMIT

UPGRADE = {"upgrade": "websocket", "connection": "Upgrade"}


def head(
    path: str = "/ws", method: str = "GET", headers: Mapping[str, str] | None = None
) -> RequestHead:
    return RequestHead(method, path, "", UPGRADE if headers is None else headers)


# Heads


def test_a_head_is_its_method_path_query_and_headers() -> None:
    found = parse_head(
        b"GET /ws?a=1&b=2&a=3 HTTP/1.1\r\nHost:  h \r\nX-A: 1\r\nEmpty:\r\nX-a: 2\r\nC: d:e"
    )
    assert found == RequestHead(
        "GET",
        "/ws",
        "a=1&b=2&a=3",
        {"host": "h", "x-a": "1, 2", "empty": "", "c": "d:e"},
    )
    assert (found.parameter("a"), found.parameter("b"), found.parameter("c")) == ("3", "2", None)
    assert isinstance(found.headers["x-a"], RepeatedField)
    assert not isinstance(found.headers["c"], RepeatedField)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET /ws",
        b"GET /ws HTTP/2.0",
        b"GET /ws HTTP/1.1 x",
        b"GET  /ws HTTP/1.1",
        b"GET http://[::1 HTTP/1.1",
        b"GET /ws HTTP/1.1\r\nno colon",
        b"GET /ws HTTP/1.1\r\nHost : h",
        b"GET /ws HTTP/1.1\r\nHost: h\r\n folded: x",
    ],
)
def test_what_is_no_head_is_nothing(data: bytes) -> None:
    assert parse_head(data) is None


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", UPGRADE, True),
        ("GET", {"upgrade": "WebSocket", "connection": "keep-alive, upgrade"}, True),
        ("POST", UPGRADE, False),
        ("GET", {"upgrade": "h2c", "connection": "Upgrade"}, False),
        ("GET", {"upgrade": "websocket", "connection": "close"}, False),
        ("GET", {"upgrade": "websocket"}, False),
        ("GET", {"connection": "Upgrade"}, False),
    ],
)
def test_an_upgrade_asks_for_websocket(
    method: str, headers: Mapping[str, str], expected: bool
) -> None:
    found = head("/elsewhere", method, headers)
    assert found.is_upgrade is expected
    assert is_conversation(found) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ws", True),
        ("/ws/", False),
        ("/api/agents/a", True),
        ("/api/agents", False),
        ("/", False),
    ],
)
def test_a_path_of_conversations_is_one_without_an_upgrade_too(path: str, expected: bool) -> None:
    assert is_conversation(head(path, headers={})) is expected


# Rejections


@pytest.mark.parametrize(
    ("request_head", "draining", "status", "reason", "detail"),
    [
        (head("/x"), False, 404, "not_found", 'nothing is served at "/x"; try /ws'),
        (head(headers={}), False, 426, "upgrade_required", "this path serves WebSocket only"),
        (head(), True, 503, "draining", "this server is shutting down; try again"),
        (
            head(headers=UPGRADE | {"origin": "https://e.example", "host": "a.example"}),
            False,
            403,
            "forbidden_origin",
            'the origin "https://e.example" may not connect',
        ),
    ],
)
def test_an_upgrade_that_is_rejected_says_why(
    request_head: RequestHead, draining: bool, status: int, reason: str, detail: str
) -> None:
    found = rejection_of_upgrade(request_head, allowed_origins=(), local=False, draining=draining)
    assert found is not None
    assert (found.status, found.reason, found.body) == (
        status,
        reason,
        {"error": reason, "detail": detail},
    )
    assert found.headers.get("Upgrade") == ("websocket" if status == 426 else None)


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "admitted"),
    [
        (None, "a.example", (), True),
        (None, "a.example", ("https://b.example",), True),
        ("https://A.example", "a.Example", (), True),
        ("https://a.example:8443", "a.example", (), False),
        ("https://b.example", "a.example", (), False),
        ("https://[::1", "a.example", (), False),
        ("https://B.example/", "a.example", ("https://b.example",), True),
        ("https://b.example", "a.example", ("https://B.example/",), True),
        ("https://a.example", "a.example", ("https://b.example",), False),
        ("https://any.example", "a.example", ("*",), True),
        ("null", "a.example", (), False),
    ],
)
def test_a_page_of_another_site_may_not_connect(
    origin: str | None, host: str, allowed: tuple[str, ...], admitted: bool
) -> None:
    headers = UPGRADE | {"host": host} | ({} if origin is None else {"origin": origin})
    found = rejection_of_upgrade(
        head(headers=headers), allowed_origins=allowed, local=False, draining=False
    )
    assert (found is None) is admitted


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (unauthorized("no"), "401 Unauthorized", "unauthorized", {"WWW-Authenticate": "Bearer"}),
        (
            too_many_connections(),
            "503 Service Unavailable",
            "too_many_connections",
            {"Retry-After": "10"},
        ),
        (
            too_many_connections_of_user(),
            "429 Too Many Requests",
            "too_many_connections_of_user",
            {"Retry-After": "10"},
        ),
        (shutting_down(), "503 Service Unavailable", "draining", {"Retry-After": "1"}),
        (HttpError(400, "bad", "\ud800", more=1), "400 Bad Request", "bad", {}),
    ],
)
def test_an_error_is_a_whole_response(
    error: HttpError, status: str, code: str, headers: dict[str, str]
) -> None:
    response = response_bytes(error)
    first, body = response.split(b"\r\n\r\n")
    line, *fields = first.decode().split("\r\n")
    assert line == f"HTTP/1.1 {status}"
    assert dict(field.split(": ") for field in fields) == {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    found = orjson.loads(body)
    assert found["error"] == code
    assert found["detail"]
    assert found.get("more") == error.body.get("more")
    assert response_bytes(error, head_only=True) == first + b"\r\n\r\n"


# The router


class Served(asyncio.Protocol):
    """Sends back what arrives, each piece in brackets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"[" + data + b"]")
        if data.endswith(b"end"):
            self.transport.close()


async def answers(
    *pieces: bytes, draining: bool = False, places: int = 1, **more: Any
) -> tuple[bytes, list[str]]:
    """Send pieces to a router; return everything that it answers, and its rejections."""
    rejections: list[str] = []
    given: dict[str, Any] = {"authenticator": Authenticator([], allow_unauthenticated=True), **more}
    context = EntranceContext(
        capacity=Capacity(limit=places, user_limit=1), rejected=rejections.append, **given
    )
    if draining:
        context.draining.set()
    loop = asyncio.get_running_loop()
    async with (
        asyncio.timeout(LIMIT),
        await loop.create_server(lambda: ConnectionRouter(context), "127.0.0.1", 0) as server,
    ):
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        found = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert not context.tasks
    return found, rejections


HERE = HostRule("127.0.0.1")
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
WS = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def long_head(size: int) -> bytes:
    start = b"GET / HTTP/1.1\r\nX: "
    return start + b"x" * (size - len(start)) + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "more", "status", "reason"),
    [
        ([b"\r\n\r\n"], {}, 400, "bad_request"),
        ([long_head(MAX_HEAD_BYTES + 1)], {"http": http_side(Served)}, 431, "head_too_large"),
        ([b"x" * (MAX_HEAD_BYTES + 4)], {"http": http_side(Served)}, 431, "head_too_large"),
        ([GET], {"http": http_side(Served), "draining": True}, 503, "draining"),
        ([WS], {"upgrade": lambda *_: Served(), "draining": True}, 503, "draining"),
        (
            [WS],
            {"upgrade": lambda *_: Served(), "draining": True, "front_page": lambda _: b"page"},
            503,
            "draining",
        ),
        ([GET], {"http": http_side(Served), "places": 0}, 503, "too_many_connections"),
        ([GET], {"http": http_side(Served), "hosts": HERE}, 421, "misdirected_request"),
        ([GET], {"upgrade": lambda *_: Served()}, 404, "not_found"),
        (
            [GET],
            {"http": http_side(Served), "upgrade": lambda *_: Served(), "hosts": HERE},
            421,
            "misd",
        ),
    ],
)
async def test_a_request_is_rejected_at_the_entrance(
    pieces: list[bytes], more: dict[str, Any], status: int, reason: str
) -> None:
    found, rejections = await answers(*pieces, **more)
    assert found.startswith(b"HTTP/1.1 %d " % status)
    assert len(rejections) == 1
    assert rejections[0].startswith(reason)


async def test_a_connection_that_was_handed_over_is_not_cut_for_its_head() -> None:
    timings = structs.replace(USUAL, head=0.05)
    # Each piece is followed by a pause, and all of them take longer than a head may.
    pieces = [GET, *[b"x"] * 9, b"end"]
    found, rejections = await answers(*pieces, http=http_side(Served), timings=timings)
    assert found.replace(b"][", b"") == b"[" + GET + b"xxxxxxxxxend]"
    assert rejections == []


class Slow:
    """A check of credentials that takes longer than a head may."""

    expected = ""

    async def validate(self, _headers: Mapping[str, str]) -> Principal:
        await later()
        return Principal("ann", user_id="ann")


async def later() -> None:
    """Return after a timer of 50 ms, which began later, would have ended."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.call_later(0.2, over.set_result, None)
    await over


async def opened_late() -> HttpProtocolFactory:
    await later()
    return Served


@pytest.mark.parametrize(
    ("piece", "more"),
    [
        (GET, {"http": HttpSide(opened_late)}),
        (
            WS,
            {
                "upgrade": lambda *_: Served(),
                "authenticator": Authenticator([Slow()], allow_unauthenticated=False),
            },
        ),
    ],
    ids=["server", "credential"],
)
async def test_a_client_whose_head_is_there_is_not_cut_while_the_facade_is_slow(
    piece: bytes, more: dict[str, Any]
) -> None:
    timings = structs.replace(USUAL, head=0.05)
    found, rejections = await answers(piece + b"end", timings=timings, **more)
    assert (found, rejections) == (b"[" + piece + b"][end]", [])


async def test_a_rejected_client_may_go_on_to_send_for_a_moment() -> None:
    context = EntranceContext(
        authenticator=Authenticator([], allow_unauthenticated=True),
        capacity=Capacity(limit=1, user_limit=1),
        rejected=lambda _: None,
        timings=structs.replace(USUAL, head=0.1, linger=LIMIT),
    )
    loop = asyncio.get_running_loop()
    async with (
        asyncio.timeout(LIMIT),
        await loop.create_server(lambda: ConnectionRouter(context), "127.0.0.1", 0) as server,
    ):
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        for _ in range(10):
            await asyncio.sleep(0.03)
            # A connection that was cut would reset this one.
            writer.write(b"the rest of its body")
            await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("pieces", [[], [GET[:-1]]])
async def test_a_connection_without_a_whole_head_is_cut(pieces: list[bytes]) -> None:
    timings = structs.replace(USUAL, head=0.2)
    try:
        found, rejections = await answers(*pieces, http=http_side(Served), timings=timings)
    except ConnectionResetError:
        return
    assert (found, rejections) == (b"", [])


@pytest.mark.parametrize(
    ("pieces", "more", "expected"),
    [
        ([GET + b"end"], {"http": http_side(Served)}, b"[" + GET + b"][end]"),
        ([GET[:-3], GET[-3:] + b"end"], {"http": http_side(Served)}, b"[" + GET + b"][end]"),
        ([GET[:-1], GET[-1:], b"end"], {"http": http_side(Served)}, b"[" + GET + b"][end]"),
        ([WS + b"a", b"end"], {"upgrade": lambda *_: Served()}, b"[" + WS + b"][a][end]"),
        (
            [WS + b"end"],
            {"http": http_side(asyncio.Protocol), "upgrade": lambda *_: Served()},
            b"[" + WS + b"][end]",
        ),
        (
            [GET + b"end"],
            {
                "http": http_side(Served),
                "upgrade": lambda *_: Served(),
                "front_page": lambda _: b"page",
            },
            b"[" + GET + b"][end]",
        ),
        ([GET], {"upgrade": lambda *_: Served(), "front_page": lambda _: b"page"}, b"page"),
        (
            [long_head(MAX_HEAD_BYTES), b"end"],
            {"http": http_side(Served)},
            b"[" + long_head(MAX_HEAD_BYTES) + b"][end]",
        ),
    ],
)
async def test_a_request_is_handed_over_with_all_that_came(
    pieces: list[bytes], more: dict[str, Any], expected: bytes
) -> None:
    found, rejections = await answers(*pieces, **more)
    if b"[a][end]" in expected:
        # The two pieces after the head may arrive as one.
        found = found.replace(b"[aend]", b"[a][end]")
    assert (found, rejections) == (expected, [])
