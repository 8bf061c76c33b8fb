"""What decides at the entrance, as functions of a request and of counts."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import orjson
import pytest
from msgspec import structs
from omnia_facade.entrance.head import RequestHead, parse_head
from prometheus_client import CollectorRegistry

from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.edge import RepeatedField
from omnia_facade.entrance.admission import (
    is_conversation,
    is_loopback,
    rejection_of_host,
    rejection_of_upgrade,
)
from omnia_facade.entrance.capacity import Capacity
from omnia_facade.entrance.errors import (
    HttpError,
    Rejection,
    response_bytes,
    shutting_down,
    too_many_connections,
    too_many_connections_of_user,
    unauthorized,
)
from omnia_facade.entrance.router import MAX_HEAD_BYTES, ConnectionRouter, EntranceContext
from omnia_facade.metrics import FacadeMetrics
from omnia_facade.timings import USUAL
from omnia_facade.ws.inbound_limits import (
    LARGE,
    ConnectionAbuse,
    ConnectionLimits,
    InboundBudget,
    InboundLimiter,
    Rate,
)
from omnia_facade.ws.messages import FrameRefused
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
    found = rejection_of_upgrade(request_head, allowed_origins=(), draining=draining)
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
    found = rejection_of_upgrade(head(headers=headers), allowed_origins=allowed, draining=False)
    assert (found is None) is admitted


@pytest.mark.parametrize(
    ("host", "allowed", "admitted"),
    [
        ("", (), True),
        ("localhost:8080", (), True),
        ("127.0.0.1", (), True),
        ("[::1]:8080", (), True),
        ("e.example", (), False),
        ("e.example", ("*",), True),
        ("E.example:1", ("https://e.Example:1",), True),
        ("e.example:2", ("https://e.example:1",), False),
        ("[::1", (), False),
        ("192.168.0.1", (), False),
    ],
)
def test_a_server_without_credentials_answers_to_its_own_names(
    host: str, allowed: tuple[str, ...], admitted: bool
) -> None:
    found = rejection_of_host(head(headers={"host": host} if host else {}), allowed)
    assert (found is None) is admitted
    if found:
        assert (found.status, found.reason) == (421, Rejection.MISDIRECTED_REQUEST)
        assert "it answers to localhost only" in str(found.body["detail"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LocalHost.", True),
        ("a.localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("notlocalhost", False),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_names_of_this_machine(name: str, expected: bool) -> None:
    assert is_loopback(name) is expected


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
    context = EntranceContext(
        authenticator=Authenticator([], allow_unauthenticated=True),
        capacity=Capacity(limit=places, user_limit=1),
        rejected=rejections.append,
        **more,
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


GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
WS = b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def long_head(size: int) -> bytes:
    start = b"GET / HTTP/1.1\r\nX: "
    return start + b"x" * (size - len(start)) + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "more", "status", "reason"),
    [
        ([b"\r\n\r\n"], {}, 400, "bad_request"),
        ([long_head(MAX_HEAD_BYTES + 1)], {"http": Served}, 431, "head_too_large"),
        ([b"x" * (MAX_HEAD_BYTES + 1)], {"http": Served}, 431, "head_too_large"),
        ([GET], {"http": Served, "draining": True}, 503, "draining"),
        ([WS], {"upgrade": lambda *_: Served(), "draining": True}, 503, "draining"),
        (
            [WS],
            {"upgrade": lambda *_: Served(), "draining": True, "front_page": lambda _: b"page"},
            503,
            "draining",
        ),
        ([GET], {"http": Served, "places": 0}, 503, "too_many_connections"),
        ([GET], {"http": Served, "local": True}, 421, "misdirected_request"),
        ([GET], {"upgrade": lambda *_: Served()}, 404, "not_found"),
        ([GET], {"http": Served, "upgrade": lambda *_: Served(), "local": True}, 421, "misd"),
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
    found, rejections = await answers(*pieces, http=Served, timings=timings)
    assert found.replace(b"][", b"") == b"[" + GET + b"xxxxxxxxxend]"
    assert rejections == []


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
        found, rejections = await answers(*pieces, http=Served, timings=timings)
    except ConnectionResetError:
        return
    assert (found, rejections) == (b"", [])


@pytest.mark.parametrize(
    ("pieces", "more", "expected"),
    [
        ([GET + b"end"], {"http": Served}, b"[" + GET + b"][end]"),
        ([GET[:-3], GET[-3:] + b"end"], {"http": Served}, b"[" + GET + b"][end]"),
        ([GET[:-1], GET[-1:], b"end"], {"http": Served}, b"[" + GET + b"][end]"),
        ([WS + b"a", b"end"], {"upgrade": lambda *_: Served()}, b"[" + WS + b"][a][end]"),
        (
            [WS + b"end"],
            {"http": asyncio.Protocol, "upgrade": lambda *_: Served()},
            b"[" + WS + b"][end]",
        ),
        (
            [GET + b"end"],
            {"http": Served, "upgrade": lambda *_: Served(), "front_page": lambda _: b"page"},
            b"[" + GET + b"][end]",
        ),
        ([GET], {"upgrade": lambda *_: Served(), "front_page": lambda _: b"page"}, b"page"),
        (
            [long_head(MAX_HEAD_BYTES), b"end"],
            {"http": Served},
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


# Bytes and rates


def limiter(budget: InboundBudget) -> tuple[InboundLimiter, CollectorRegistry]:
    registry = CollectorRegistry()
    metrics = FacadeMetrics(registry, agent="a", namespace="default")
    return InboundLimiter(ConnectionLimits(messages=Rate(1, 2)), budget, metrics), registry


def rejected(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    every = {"agent": "a", "namespace": "default", **labels}
    return registry.get_sample_value(name, every)


def test_messages_above_the_rate_are_refused_and_then_close() -> None:
    made, registry = limiter(InboundBudget(10))
    made.admit(1, 0.0)
    made.admit(1, 0.0)
    for _ in range(20):
        with pytest.raises(FrameRefused, match="send the message again"):
            made.admit(1, 0.0)
    with pytest.raises(ConnectionAbuse) as caught:
        made.admit(1, 0.0)
    assert (caught.value.code, caught.value.reason) == (1008, "rate limit exceeded")
    name = "omnia_facade_control_messages_ratelimited_total"
    assert rejected(registry, name) == 21


def test_only_large_messages_are_refused_for_the_budget() -> None:
    budget = InboundBudget(100)
    made, registry = limiter(budget)
    budget.change(100)
    made.admit(LARGE + 1, 0.0)
    budget.change(1)
    made.admit(LARGE, 0.0)
    with pytest.raises(FrameRefused, match="as many large messages as it may"):
        made.admit(LARGE + 1, 9.0)
    reason = {"reason": "too_much_received"}
    assert rejected(registry, "omnia_facade_rejections_total", **reason) == 1


def test_a_budget_is_overdrawn_above_one_and_a_half() -> None:
    budget = InboundBudget(100)
    found = []
    for by in (100, 1, 49, 1, -51):
        budget.change(by)
        found.append((budget.exceeded, budget.overdrawn))
    assert found == [(False, False), (True, False), (True, False), (True, True), (False, False)]


def test_bytes_are_charged_until_they_are_answered_or_the_connection_ends() -> None:
    budget = InboundBudget(100)
    one, _ = limiter(budget)
    two, _ = limiter(budget)
    one.received(40, 30)
    two.received(0, 31)
    assert budget.exceeded
    one.answered(29)
    assert not budget.exceeded
    two.received(0, 32)
    assert budget.exceeded
    one.release()
    one.release()
    two.received(0, 100)
    assert not budget.exceeded
    two.received(0, 101)
    assert budget.exceeded


@pytest.mark.parametrize(
    ("held", "unfinished", "closed"),
    [
        (LARGE, LARGE + 1, True),
        (LARGE // 2, LARGE + 1, True),
        (LARGE // 2 - 2, LARGE + 1, False),
        (9 * LARGE, LARGE, False),
    ],
)
def test_a_large_message_may_be_completed_within_the_overdraft(
    held: int, unfinished: int, closed: bool
) -> None:
    budget = InboundBudget(LARGE)
    budget.change(held)
    made, registry = limiter(budget)
    made.received(10, 0)
    if closed:
        with pytest.raises(ConnectionAbuse) as caught:
            made.received(unfinished, 0)
        assert caught.value.code == 1013
        assert caught.value.reason == "too much is being received; try again later"
    else:
        made.received(unfinished, 0)
    # Nothing more arrived: what is held is no reason to close.
    made.received(unfinished, 0)
    found = rejected(registry, "omnia_facade_rejections_total", reason="too_much_received")
    assert found == (1 if closed else 0)
