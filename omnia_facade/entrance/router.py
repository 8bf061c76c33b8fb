"""One port for WebSocket and HTTP: the head of the first request selects the protocol."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias, cast

import structlog
from msgspec import Struct, field

from omnia_core.http.errors import HttpError, json_response, response_bytes
from omnia_core.http.head import END, RequestHead, parse_head
from omnia_core.http.hosts import ANY_HOST, HostRule
from omnia_core.http.received import (
    HeadTooLarge,
    ReceiveBudget,
    ReceivedBytes,
    discard_slowly,
)
from omnia_core.jsonvalue import JsonObject
from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.principal import Principal
from omnia_facade.entrance.admission import (
    authenticated,
    is_conversation,
    misdirected,
    rejection_of_upgrade,
)
from omnia_facade.entrance.capacity import Admission, Capacity, CountedConnection
from omnia_facade.entrance.errors import (
    RejectedRequest,
    Rejection,
    shutting_down,
    too_many_connections,
    too_many_connections_of_user,
    too_many_unfinished,
)
from omnia_facade.entrance.http_side import HttpSide
from omnia_facade.timings import USUAL, Timings

Upgrade: TypeAlias = Callable[[RequestHead, Principal], asyncio.Protocol]
# Answers requests that need neither credential nor server: a whole response, or None.
StaticFrontPage: TypeAlias = Callable[[RequestHead], bytes | None]


class HeadRoute(Protocol):
    """Answers authenticated requests by their heads; their bodies are discarded."""

    @property
    def status(self) -> int:
        """The status of its answers."""

    @property
    def hint(self) -> str:
        """What can be requested here, for the answer to a request for another path."""

    def serves(self, path: str) -> bool:
        """Whether this route serves a path, with any method."""

    async def answer(self, head: RequestHead, principal: Principal) -> JsonObject:
        """Return the body of an answer.

        Raises:
            HttpError: the request is answered with this error.
        """


_log = structlog.get_logger()
# A client's preface looks like the head of a request up to here.
HTTP2_HEAD = b"PRI * HTTP/2.0\r\n\r\n"


class EntranceContext(Struct, frozen=True, kw_only=True):
    """What all connections of the port share.

    Attributes:
        rejected: counts rejections by reason.
        upgrade: makes the protocol of a WebSocket connection; None where there are no
            conversations.
        http: the HTTP server; None where there are no routes.
        grpc: the gRPC server; None where there are no services.
        head_routes: answer some requests in front of a pod that serves no HTTP.
        front_page: likewise, without a credential.
        hosts: which Host headers are served.
        local: the port is reachable from this machine only.
        budget: limits what unadmitted connections hold together.
        silent: the connections whose heads are not complete, oldest first.
        draining: set when the pod shuts down.
        tasks: the upgrades that are being decided.
    """

    authenticator: Authenticator
    capacity: Capacity
    rejected: Callable[[Rejection], None]
    upgrade: Upgrade | None = None
    http: HttpSide | None = None
    grpc: HttpSide | None = None
    head_routes: tuple[HeadRoute, ...] = ()
    front_page: StaticFrontPage | None = None
    allowed_origins: tuple[str, ...] = ()
    timings: Timings = USUAL
    hosts: HostRule = ANY_HOST
    local: bool = False
    budget: ReceiveBudget = field(default_factory=ReceiveBudget)
    silent: "dict[ConnectionRouter, None]" = field(default_factory=dict)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


async def close_port(server: asyncio.Server, context: EntranceContext) -> None:
    """Accept nothing more, and abort the connections that have not sent a request."""
    server.close()
    # A connection that was just accepted is silent two rounds later.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for connection in tuple(context.silent):
        connection.abort()


class ConnectionRouter(asyncio.Protocol):
    """A connection whose protocol is not known yet."""

    __slots__ = (
        "_admission",
        "_answered",
        "_began",
        "_context",
        "_deciding",
        "_head_bytes",
        "_received",
        "_timer",
        "_transport",
    )

    def __init__(self, context: EntranceContext) -> None:
        self._context = context
        self._received = ReceivedBytes(context.budget)
        # The head that is being decided on, as it arrived.
        self._head_bytes = b""
        self._deciding = False
        self._admission = Admission.DROP
        self._answered = False
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self._admission = self._context.capacity.enter()
        if self._admission is not Admission.ADMITTED and self._replace_silent(self._began):
            self._context.capacity.leave(self._admission)
            self._admission = self._context.capacity.enter()
        if self._admission is Admission.DROP:
            self._context.rejected(Rejection.TOO_MANY_CONNECTIONS)
            self._transport.abort()
            return
        self._context.silent[self] = None
        self._timer = loop.call_later(self._context.timings.head, self._transport.abort)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        self._stop_timer()
        self._forget()
        self._leave()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._answered:
            if self._transport:
                discard_slowly(self._transport)
            return
        if not self._received.add(data):
            self._reject(too_many_unfinished())
            return
        if self._deciding:
            return
        try:
            size = self._received.head_size()
        except HeadTooLarge as error:
            self._reject(RejectedRequest(431, Rejection.HEAD_TOO_LARGE, str(error)))
            return
        if size is not None:
            self._context.silent.pop(self, None)
            # What takes long from here on is ours: a key that is fetched, a server that opens.
            self._stop_timer()
            head = self._received.take_head(size)
            if head is None:
                self._reject(too_many_unfinished())
            else:
                self._head_bytes = head
                grpc = self._context.grpc
                if grpc and head == HTTP2_HEAD:
                    self._route_grpc(grpc)
                else:
                    self._route()

    def _route(self) -> None:
        context = self._context
        head = parse_head(self._head_bytes[: -len(END)])
        if head is None:
            detail = "this is not an HTTP/1.1 request"
            self._reject(RejectedRequest(400, Rejection.BAD_REQUEST, detail))
        elif not context.hosts.allows(head.headers.get("host", "")):
            self._reject(misdirected(), head)
        elif self._admission is Admission.REFUSE_WITH_503:
            self._reject(too_many_connections(), head)
        elif context.upgrade is None or self._is_http(head):
            if context.draining.is_set():
                self._reject(shutting_down(), head)
            elif context.http and context.http.factory:
                self._hand_over(context.http.factory(), "")
            elif context.http:
                self._begin(self._open_http(context.http))
        elif context.front_page and (response := context.front_page(head)):
            if context.draining.is_set():
                self._reject(shutting_down(), head)
            else:
                self._answer(response)
        else:
            self._begin(self._upgrade(head))

    def _route_grpc(self, grpc: HttpSide) -> None:
        """Hand over a connection that speaks HTTP/2 from its first byte on (RFC 9113, 3.3)."""
        if self._admission is Admission.REFUSE_WITH_503:
            self._reject(too_many_connections())
        elif self._context.draining.is_set():
            self._reject(shutting_down())
        elif grpc.factory:
            self._hand_over(grpc.factory(), "")
        else:
            self._begin(self._open_http(grpc))

    def _is_http(self, head: RequestHead) -> bool:
        http = self._context.http
        return http is not None and not is_conversation(head) and http.serves(head.path)

    def _begin(self, decision: Coroutine[Any, Any, None]) -> None:
        """Decide about the head in a task; meanwhile no more is read."""
        if self._transport is None:
            decision.close()
            return
        self._deciding = True
        self._transport.pause_reading()
        task = asyncio.get_running_loop().create_task(decision)
        self._context.tasks.add(task)
        task.add_done_callback(self._decided)

    async def _open_http(self, http: HttpSide) -> None:
        factory = await http.open()
        if self._transport is not None and not self._transport.is_closing():
            self._hand_over(factory(), "")

    def _decided(self, task: asyncio.Task[None]) -> None:
        self._context.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("a connection could not be opened", exc_info=error)
            if self._transport:
                self._transport.abort()

    async def _upgrade(self, head: RequestHead) -> None:
        context = self._context
        try:
            principal = await authenticated(context.authenticator, head.headers)
        except RejectedRequest as rejected:
            self._reject(rejected, head)
            return
        except Exception:  # noqa: BLE001 - a validator is foreign code
            _log.exception("a validator crashed")
            detail = "the credential could not be checked"
            self._reject(RejectedRequest(500, Rejection.INTERNAL_ERROR, detail), head)
            return
        for route in context.head_routes:
            if route.serves(head.path):
                await self._answer_head(route, head, principal)
                return
        refusal = rejection_of_upgrade(
            head,
            allowed_origins=context.allowed_origins,
            local=context.local,
            draining=context.draining.is_set(),
        )
        if refusal:
            self._reject(refusal, head)
        elif self._transport is None or self._transport.is_closing() or context.upgrade is None:
            return
        elif not context.capacity.enter_user(principal.user_id):
            self._reject(too_many_connections_of_user(), head)
        else:
            try:
                protocol = context.upgrade(head, principal)
            except BaseException:
                context.capacity.leave_user(principal.user_id)
                raise
            self._hand_over(protocol, principal.user_id)

    async def _answer_head(self, route: HeadRoute, head: RequestHead, principal: Principal) -> None:
        try:
            body = await route.answer(head, principal)
            headers = {"Cache-Control": "no-store"}
            head_only = head.method == "HEAD"
            self._answer(json_response(route.status, body, headers, head_only=head_only))
        except RejectedRequest as rejected:
            self._reject(rejected, head)
        except HttpError as error:
            self._answer(response_bytes(error, head_only=head.method == "HEAD"))

    def _hand_over(self, inner: asyncio.Protocol, user_id: str) -> None:
        """Let another protocol serve the connection, which is counted for this user."""
        transport = self._transport
        self._stop_timer()
        if transport is None:
            return
        protocol = CountedConnection(inner, self._context.capacity, user_id)
        transport.set_protocol(protocol)
        # First of all: the protocol may pause reading again.
        transport.resume_reading()
        protocol.connection_made(transport)
        head, rest = self._head_bytes, self._received.take(len(self._received))
        self._forget()
        # The head by itself: frames that arrived before the handshake's answer are read after it.
        protocol.data_received(head)
        if rest:
            protocol.data_received(rest)

    def _reject(self, rejected: RejectedRequest, head: RequestHead | None = None) -> None:
        self._context.rejected(rejected.reason)
        head_only = head is not None and head.method == "HEAD"
        self._answer(response_bytes(rejected, head_only=head_only))

    def _answer(self, response: bytes) -> None:
        """Send a response and close. The client gets a moment to close first; what it still sends
        is discarded.
        """
        transport = self._transport
        self._answered = True
        self._context.silent.pop(self, None)
        self._forget()
        self._stop_timer()
        if transport is None or transport.is_closing():
            return
        transport.write(response)
        if transport.can_write_eof():
            # The client may have left while its answer was made.
            with contextlib.suppress(OSError):
                transport.write_eof()
        transport.resume_reading()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._context.timings.linger, self._close, transport)

    def _close(self, transport: asyncio.Transport) -> None:
        """Close when everything is sent, or abort when the client does not read it."""
        transport.close()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._context.timings.send, transport.abort)

    def _replace_silent(self, now: float) -> bool:
        """In a full pod, end the oldest connection that has not sent a head for some time.

        Silent clients cannot keep out others so, and no limit for each address is needed, which
        would lock out everybody behind the same ingress.
        """
        oldest = next(iter(self._context.silent), None)
        if oldest is None or now - oldest._began < self._context.timings.silent:  # noqa: SLF001 - its own class
            return False
        oldest.abort()
        oldest._leave()  # noqa: SLF001 - likewise
        return True

    def _leave(self) -> None:
        """Free the connection's place, once."""
        self._context.silent.pop(self, None)
        self._context.capacity.leave(self._admission)
        self._admission = Admission.DROP

    def _forget(self) -> None:
        """Give back the bytes that the connection holds."""
        self._head_bytes = b""
        self._received.clear()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
