"""The answering end: a task for each call, and an orderly end."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping

import structlog

from omnia_rpc.call import Call
from omnia_rpc.endpoint import Endpoint, Keepalive
from omnia_rpc.foreign import NotGrpc
from omnia_rpc.http2.compression import FieldsRefused
from omnia_rpc.http2.connection import Limits
from omnia_rpc.http2.errors import ErrorCode
from omnia_rpc.http2.fields import Fields, encode
from omnia_rpc.http2.stream import Listener, Stream
from omnia_rpc.messages import IDENTITY
from omnia_rpc.metadata import CONTENT_TYPE, from_fields, is_grpc, timeout_seconds
from omnia_rpc.status import RpcFailed, StatusCode, of_reset, trailers

KEEPALIVE = Keepalive(7200.0)
_ANY = "::"
_BACKLOG = 1024

_log = structlog.get_logger()

_HEADERS = encode(
    (
        (":status", "200"),
        ("content-type", CONTENT_TYPE),
        ("grpc-accept-encoding", "identity,gzip"),
    )
)
_OK = encode(trailers(None))


class ServerCall(Call):
    """A call of a client.

    Attributes:
        metadata: what the client sent with it.
    """

    __slots__ = ("_answered", "_task", "_timer", "metadata")

    def __init__(self, stream: Stream, fields: Fields, limit: int) -> None:
        super().__init__(limit)
        self._stream = stream
        self._answered = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.metadata = from_fields(fields)

    def push(self, message: bytes) -> bool:
        if not self._answered and self._stream:
            self._answered = True
            self._stream.send_headers(_HEADERS)
        return super().push(message)

    def run(self, handle: "Handler", fields: Mapping[str, str]) -> "asyncio.Task[None]":
        """Answer in a task of its own, within the deadline that the client gave."""
        loop = asyncio.get_running_loop()
        self._inbox.encoding = fields.get("grpc-encoding", IDENTITY)
        self._task = loop.create_task(self._run(handle))
        seconds = timeout_seconds(fields.get("grpc-timeout", ""))
        if seconds is not None:
            self._timer = loop.call_later(seconds, self._too_late)
        return self._task

    def headers(self, fields: Fields, *, end: bool) -> None:
        """Ignore the trailers of a client: gRPC has none."""

    def ended(self) -> None:
        broken = RpcFailed(StatusCode.INTERNAL, "the request breaks off inside a message")
        self._finish(broken if self._inbox.broken_off else None)

    def reset(self, code: ErrorCode, reason: str) -> None:
        super().reset(code, reason)
        self._inbox.clear()
        self._cancel()

    def finish(self, failed: RpcFailed | None) -> None:
        """Tell the client how the call ended."""
        self._stop_timer()
        stream = self._stream
        if stream is None or not stream.local_open or stream.ending:
            return
        block = _OK if failed is None else encode(trailers(failed))
        stream.end(block if self._answered else _HEADERS + block)

    async def _run(self, handle: "Handler") -> None:
        try:
            await handle(self)
        except RpcFailed as failed:
            self.finish(failed)
        except asyncio.CancelledError:
            self.finish(RpcFailed(StatusCode.CANCELLED, "the server ended the call"))
            raise
        except Exception:  # noqa: BLE001 - the client gets a status whatever happens
            _log.exception("call crashed")
            self.finish(RpcFailed(StatusCode.UNKNOWN, "the call failed"))
        else:
            self.finish(None)

    def _cancel(self) -> None:
        # `_run` never begins when this comes at once, and a second cancel would cut its clean-up.
        self._stop_timer()
        task, self._task = self._task, None
        if task:
            task.cancel()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, failed: RpcFailed) -> None:
        self._inbox.clear()
        self.finish(failed)
        self._finish(failed)
        self._cancel()

    def _too_late(self) -> None:
        self._timer = None
        self._refuse(RpcFailed(StatusCode.DEADLINE_EXCEEDED, "the deadline has passed"))


Handler = Callable[[ServerCall], Awaitable[None]]


class Server:
    """Serves methods by their paths, `/package.Service/Method`."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        max_message_bytes: int,
        limits: Limits | None = None,
        keepalive: Keepalive = KEEPALIVE,
    ) -> None:
        self._handlers = handlers
        self._max_message_bytes = max_message_bytes
        self._limits = limits or Limits()
        self._keepalive = keepalive
        self._endpoints: set[_ServerEndpoint] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port; "::" takes IPv4 as well, as gRPC's other servers do.

        Raises:
            OSError: the port cannot be had.
        """
        loop = asyncio.get_running_loop()
        if host == _ANY and socket.has_dualstack_ipv6():
            # asyncio makes its own sockets for IPv6 alone.
            both = socket.create_server(
                (host, port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
            )
            self._server = await loop.create_server(self._connected, sock=both, backlog=_BACKLOG)
        else:
            self._server = await loop.create_server(self._connected, host, port, backlog=_BACKLOG)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def stop(self, grace: float) -> None:
        """Take no more connections, let calls end within `grace` seconds, and close."""
        if self._server:
            self._server.close()
        for endpoint in self._endpoints:
            endpoint.connection.announce_end()
        if self._tasks and grace > 0:
            await asyncio.wait(self._tasks, timeout=grace)
        for endpoint in list(self._endpoints):
            endpoint.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace or 1.0)
        for endpoint in list(self._endpoints):
            endpoint.abort()

    def accept(self, stream: Stream, fields: Fields) -> Listener | None:
        """Begin a call, or refuse it where too many handlers of cancelled calls still run."""
        if len(self._tasks) >= self._limits.streams:
            return None
        given = dict(fields)
        method = given[":method"]
        if method != "POST" or not is_grpc(given.get("content-type", "")):
            return NotGrpc(stream, method)
        call = ServerCall(stream, fields, self._max_message_bytes)
        task = call.run(self._handler(given[":path"]), given)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    def lost(self, endpoint: "_ServerEndpoint") -> None:
        """Forget a connection."""
        self._endpoints.discard(endpoint)

    def _connected(self) -> "_ServerEndpoint":
        endpoint = _ServerEndpoint(self, self._limits, self._keepalive)
        self._endpoints.add(endpoint)
        return endpoint

    def _handler(self, path: str) -> Handler:
        handler = self._handlers.get(path)
        if handler is None:
            details = f"there is no method {path[:128]}"
            return _refusing(RpcFailed(StatusCode.UNIMPLEMENTED, details))
        return handler


class _ServerEndpoint(Endpoint):
    def __init__(self, server: Server, limits: Limits, keepalive: Keepalive) -> None:
        super().__init__(limits, keepalive, server.accept)
        self.connection.explain = _explained
        self._owner = server

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._owner.lost(self)


def _explained(refused: FieldsRefused) -> bytes:
    failed = of_reset(refused.code, refused.reason)
    return _HEADERS + encode(trailers(failed))


def _refusing(failed: RpcFailed) -> Handler:
    async def refuse(_: ServerCall) -> None:
        raise failed

    return refuse
