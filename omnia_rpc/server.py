"""The server: one task per call, and a graceful shutdown."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping

import structlog

from omnia_rpc.call import RpcCall
from omnia_rpc.endpoint import Http2Endpoint, Keepalive
from omnia_rpc.headers import (
    CONTENT_TYPE,
    Metadata,
    RpcFailed,
    StatusCode,
    decode_timeout,
    failure_from_reset,
    from_fields,
    is_grpc,
    status_trailers,
    to_fields,
)
from omnia_rpc.http2.connection import PeerLimits
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.header_fields import Fields, FieldsRefused, encode
from omnia_rpc.http2.stream import Http2Stream, StreamListener
from omnia_rpc.messages import IDENTITY

KEEPALIVE = Keepalive(7200.0)
_ANY_ADDRESS = "::"
_BACKLOG = 1024

_log = structlog.get_logger()

_HEADERS = encode(
    (
        (":status", "200"),
        ("content-type", CONTENT_TYPE),
        ("grpc-accept-encoding", "identity,gzip"),
    )
)
_OK = encode(status_trailers(None))
_NOT_POST = "405", "This server speaks gRPC: expected the method POST.\n"
_NOT_GRPC = "415", "This server speaks gRPC: expected the content type application/grpc.\n"


class ServerCall(RpcCall):
    """A call of a client.

    Attributes:
        fields: the header fields of the request.
        metadata: the metadata among them.
        answer_metadata: is sent with the first message.
    """

    __slots__ = (
        "_announced",
        "_headers_sent",
        "_task",
        "_timer",
        "_withheld",
        "answer_metadata",
        "fields",
        "metadata",
    )

    def __init__(
        self, stream: Http2Stream, fields: Fields, limit: int, *, withhold: bool = False
    ) -> None:
        """With `withhold`, the client may not send more than a window before `accept`."""
        super().__init__(limit)
        self._stream = stream
        self._headers_sent = False
        # Credit that the client has not got back; None once it gets it at once.
        self._withheld: int | None = 0 if withhold else None
        self._announced: asyncio.Future[None] | None = None
        self.answer_metadata: Metadata = ()
        self.fields = fields
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.metadata = from_fields(fields)

    async def first_bytes(self) -> int:
        """Return the size of the first message as soon as the client has said it.

        0 without a message.
        """
        while (size := self._received.first_bytes) is None and not self._over:
            self._announced = asyncio.get_running_loop().create_future()
            await self._announced
        return size or 0

    def accept(self) -> None:
        """Let the client send all of its messages."""
        withheld, self._withheld = self._withheld, None
        if withheld:
            self._return_credit(withheld)

    def try_send(self, messages: bytes) -> bool:
        if not self._headers_sent and self._stream:
            self._headers_sent = True
            self._stream.send_headers(_HEADERS + encode(to_fields(self.answer_metadata)))
        return super().try_send(messages)

    def on_data(self, data: bytes) -> None:
        super().on_data(data)
        self._tell_announced()

    def run(self, handle: "Handler", fields: Mapping[str, str]) -> "asyncio.Task[None]":
        """Handle the call in a new task, within the deadline of the client; return the task."""
        loop = asyncio.get_running_loop()
        self._received.encoding = fields.get("grpc-encoding", IDENTITY)
        self._task = loop.create_task(self._run(handle))
        seconds = decode_timeout(fields.get("grpc-timeout", ""))
        if seconds is not None:
            self._timer = loop.call_later(seconds, self._deadline_passed)
        return self._task

    def on_headers(self, fields: Fields, *, end: bool) -> None:
        """Ignore trailers: a gRPC client sends none."""

    def on_end(self) -> None:
        truncated = RpcFailed(StatusCode.INTERNAL, "the request ends inside a message")
        self._finish(truncated if self._received.is_incomplete else None)
        self._tell_announced()

    def on_reset(self, code: Http2ErrorCode, reason: str) -> None:
        super().on_reset(code, reason)
        self._received.clear()
        self._cancel()

    def send_status(self, failed: RpcFailed | None) -> None:
        """Send the status of the call; `failed` None is OK."""
        self._stop_timer()
        stream = self._stream
        if stream is None or not stream.local_open or stream.ending:
            return
        block = _OK if failed is None else encode(status_trailers(failed))
        if self._headers_sent:
            stream.end(block)
        else:
            stream.end(_HEADERS + encode(to_fields(self.answer_metadata)) + block)

    async def _run(self, handle: "Handler") -> None:
        try:
            await handle(self)
        except RpcFailed as failed:
            self.send_status(failed)
        except asyncio.CancelledError:
            self.send_status(RpcFailed(StatusCode.CANCELLED, "the server ended the call"))
            raise
        except Exception:  # noqa: BLE001 - the client gets a status whatever happens
            _log.exception("call crashed")
            self.send_status(RpcFailed(StatusCode.UNKNOWN, "the call failed"))
        else:
            self.send_status(None)

    def _return_credit(self, count: int) -> None:
        if self._withheld is None:
            super()._return_credit(count)
        else:
            self._withheld += count

    def _tell_announced(self) -> None:
        announced, self._announced = self._announced, None
        if announced and not announced.done():
            announced.set_result(None)

    def _cancel(self) -> None:
        # A task that is cancelled before its first step never runs and sends no status, so the
        # timer is stopped here. A second cancel would interrupt the clean-up of the handler.
        self._stop_timer()
        task, self._task = self._task, None
        if task:
            task.cancel()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, failed: RpcFailed) -> None:
        self._received.clear()
        self.send_status(failed)
        self._finish(failed)
        self._cancel()

    def _deadline_passed(self) -> None:
        self._timer = None
        self._refuse(RpcFailed(StatusCode.DEADLINE_EXCEEDED, "the deadline has passed"))


Handler = Callable[[ServerCall], Awaitable[None]]


class Server:
    """Serves methods by path: `/package.Service/Method`."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        max_message_bytes: int,
        limits: PeerLimits | None = None,
        keepalive: Keepalive = KEEPALIVE,
        max_calls: int | None = None,
        withhold: bool = False,
    ) -> None:
        """Serve these methods.

        Args:
            handlers: by path.
            max_message_bytes: of a message.
            limits: what a connection may cost.
            keepalive: when a connection is pinged and closed.
            max_calls: of all connections together; the streams of one connection when None.
            withhold: a call's handler calls `ServerCall.accept` before the client may send more
                than a window.
        """
        self._handlers = handlers
        self._max_message_bytes = max_message_bytes
        self._limits = limits or PeerLimits()
        self._keepalive = keepalive
        self._max_calls = self._limits.streams if max_calls is None else max_calls
        self._withhold = withhold
        self._endpoints: set[_ServerEndpoint] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port. The host "::" accepts IPv4 too, as other gRPC servers do.

        Raises:
            OSError: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        if host == _ANY_ADDRESS and socket.has_dualstack_ipv6():
            # asyncio creates IPv6 sockets that refuse IPv4.
            dual = socket.create_server(
                (host, port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
            )
            self._server = await loop.create_server(self.connected, sock=dual, backlog=_BACKLOG)
        else:
            self._server = await loop.create_server(self.connected, host, port, backlog=_BACKLOG)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def stop(self, grace: float) -> None:
        """Accept no more connections, let calls finish within `grace` seconds, and close."""
        if self._server:
            self._server.close()
        for endpoint in self._endpoints:
            endpoint.connection.announce_shutdown()
        if self._tasks and grace > 0:
            await asyncio.wait(self._tasks, timeout=grace)
        for endpoint in list(self._endpoints):
            endpoint.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace or 1.0)
        for endpoint in list(self._endpoints):
            endpoint.abort()

    def accept(self, stream: Http2Stream, fields: Fields) -> StreamListener | None:
        """Start a call; refuse it while too many handlers of cancelled calls still run."""
        if len(self._tasks) >= self._max_calls:
            return None
        given = dict(fields)
        method = given[":method"]
        if method != "POST" or not is_grpc(given.get("content-type", "")):
            return NonGrpcResponder(stream, method)
        call = ServerCall(stream, fields, self._max_message_bytes, withhold=self._withhold)
        task = call.run(self._handler(given[":path"]), given)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    def connection_lost(self, endpoint: "_ServerEndpoint") -> None:
        """Called when a connection is closed."""
        self._endpoints.discard(endpoint)

    def connected(self) -> asyncio.Protocol:
        """Return the protocol of a new connection, for one that another server has accepted."""
        endpoint = _ServerEndpoint(self, self._limits, self._keepalive)
        self._endpoints.add(endpoint)
        return endpoint

    def _handler(self, path: str) -> Handler:
        handler = self._handlers.get(path)
        if handler is None:
            details = f"there is no method {path[:128]}"
            return _refusing(RpcFailed(StatusCode.UNIMPLEMENTED, details))
        return handler


class _ServerEndpoint(Http2Endpoint):
    def __init__(self, server: Server, limits: PeerLimits, keepalive: Keepalive) -> None:
        super().__init__(limits, keepalive, server.accept)
        self.connection.explain_refusal = _refusal_block
        self._owner = server

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._owner.connection_lost(self)


def _refusal_block(refused: FieldsRefused) -> bytes:
    failed = failure_from_reset(refused.code, refused.reason)
    return _HEADERS + encode(status_trailers(failed))


def _refusing(failed: RpcFailed) -> Handler:
    async def refuse(_: ServerCall) -> None:
        raise failed

    return refuse


class NonGrpcResponder:
    """Answers a request that is not gRPC with an HTTP error, and discards its body."""

    def __init__(self, stream: Http2Stream, method: str) -> None:
        self._stream = stream
        self._method = method

    def on_headers(self, fields: Fields, *, end: bool) -> None:
        """Ignore trailers."""

    def on_data(self, data: bytes) -> None:
        self._stream.consumed(len(data))

    def on_end(self) -> None:
        """Answer when the request is complete, as clients expect."""
        status, text = _NOT_GRPC if self._method == "POST" else _NOT_POST
        fields = encode(
            (
                (":status", status),
                ("content-type", "text/plain"),
                ("content-length", str(len(text))),
                *((("allow", "POST"),) if status == _NOT_POST[0] else ()),
            )
        )
        if self._method == "HEAD":
            self._stream.end(fields)
            return
        self._stream.send_headers(fields)
        self._stream.send(text.encode())
        self._stream.end()

    def on_reset(self, code: Http2ErrorCode, reason: str) -> None:
        """Ignored: there is no more to send."""

    def on_writable(self) -> None:
        """Ignored: the answer is small."""
