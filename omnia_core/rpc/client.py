"""The calling end: one connection to a server, made when it is needed and made anew when lost."""

import asyncio
import contextlib
from collections import OrderedDict

from omnia_core.http2.connection import Limits
from omnia_core.http2.errors import ErrorCode
from omnia_core.http2.fields import Fields, encode
from omnia_core.rpc.call import Call
from omnia_core.rpc.endpoint import Endpoint, Keepalive
from omnia_core.rpc.messages import IDENTITY
from omnia_core.rpc.metadata import Metadata, is_grpc, timeout_text, to_fields
from omnia_core.rpc.status import RpcFailed, StatusCode, of_trailers

CONNECT_SECONDS = 5.0
# Servers of gRPC take more frequent pings for an attack.
KEEPALIVE = Keepalive(330.0)
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
_SLOW = f"no answer within {CONNECT_SECONDS:.0f} s"


class ClientCall(Call):
    """A call to a server. `read` raises what the server, or the way there, ended it with."""

    __slots__ = ("_begun", "_block", "_channel", "_timer", "_trailers")

    def __init__(self, channel: "Channel", block: bytes, limit: int, timeout: float | None) -> None:
        super().__init__(limit)
        self._channel = channel
        self._block = block
        self._begun: asyncio.Future[None] | None = None
        self._trailers: Fields | None = None
        self._timer: asyncio.TimerHandle | None = None
        if timeout is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(timeout, self._too_late)

    @property
    def done(self) -> bool:
        """Whether the call is over."""
        return self._over

    async def write(self, message: bytes) -> None:
        if self._stream is None and not self._over:
            await self._beginning()
        await super().write(message)

    def end(self) -> None:
        """Send no more messages."""
        if self._stream:
            self._stream.end()

    def cancel(self) -> None:
        """End the call at once."""
        self._abandon(RpcFailed(StatusCode.CANCELLED, "the call was cancelled here"))

    def begin(self, endpoint: Endpoint) -> None:
        """Open the stream, unless the call has ended meanwhile."""
        if not self._over:
            self._stream = endpoint.connection.open(self._block, self)
        self._settle()

    def fail(self, failed: RpcFailed) -> None:
        """End a call that was never begun."""
        self._finish(failed)

    def headers(self, fields: Fields, *, end: bool) -> None:
        if end:
            self._trailers = fields
            return
        given = dict(fields)
        status, kind = given.get(":status"), given.get("content-type", "")
        if status != "200" or not is_grpc(kind):
            failed = of_trailers([(":status", status or "")])
            detail = failed.details if failed else ""
            code = failed.code if failed else StatusCode.UNKNOWN
            self._abandon(RpcFailed(code, f"{detail}; content-type {kind[:64]!r}"))
        self._inbox.encoding = given.get("grpc-encoding", IDENTITY)

    def ended(self) -> None:
        failed = of_trailers(self._trailers or ())
        if failed is None and self._inbox.broken_off:
            failed = RpcFailed(StatusCode.INTERNAL, "the answer breaks off inside a message")
        stream = self._stream
        self._finish(failed)
        if stream and stream.local_open:
            # The server has said how the call ended: it reads nothing more.
            stream.reset(ErrorCode.NO_ERROR)
            self.writable()

    def _finish(self, failed: RpcFailed | None) -> None:
        super()._finish(failed)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._stream is None:
            self._channel.forget(self)
        self._settle()

    def _refuse(self, failed: RpcFailed) -> None:
        self._abandon(failed)

    def _abandon(self, failed: RpcFailed) -> None:
        if self._over:
            return
        if self._stream:
            self._stream.reset(ErrorCode.CANCEL)
        self._inbox.clear()
        self._finish(failed)
        self.writable()

    def _too_late(self) -> None:
        self._timer = None
        self._abandon(RpcFailed(StatusCode.DEADLINE_EXCEEDED, "the deadline has passed"))

    async def _beginning(self) -> None:
        if self._begun is None:
            self._begun = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._begun)

    def _settle(self) -> None:
        if self._begun and not self._begun.done():
            self._begun.set_result(None)


class Channel:
    """Calls to one server. A call that is made while there is no way there fails soon."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        max_message_bytes: int,
        user_agent: str,
        limits: Limits | None = None,
        keepalive: Keepalive = KEEPALIVE,
    ) -> None:
        self._host, self._port = host, port
        self._max_message_bytes = max_message_bytes
        self._limits = limits or Limits()
        self._keepalive = keepalive
        self._common = encode(
            (
                (":method", "POST"),
                (":scheme", "http"),
                (":authority", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                ("user-agent", user_agent),
                ("grpc-accept-encoding", "identity,gzip"),
            )
        )
        self._paths: dict[str, bytes] = {}
        self._endpoint: Endpoint | None = None
        self._old: set[Endpoint] = set()
        self._waiting: OrderedDict[ClientCall, None] = OrderedDict()
        self._connecting: asyncio.Task[None] | None = None
        self._pause = 0.0
        self._not_before = 0.0
        self._refused = ""
        self._closed = False

    def call(self, path: str, metadata: Metadata = (), timeout: float | None = None) -> ClientCall:
        """Begin a call to `/package.Service/Method`; what goes wrong shows at its `read`.

        Raises:
            ValueError: the metadata cannot be sent.
        """
        fields = to_fields(metadata)
        if timeout is not None:
            fields.append(("grpc-timeout", timeout_text(timeout)))
        block = self._path(path) + encode(fields)
        call = ClientCall(self, block, self._max_message_bytes, timeout)
        endpoint = self._usable()
        if endpoint and endpoint.connection.can_open and not self._waiting:
            call.begin(endpoint)
        else:
            self._wait(call)
        return call

    async def unary(
        self, path: str, request: bytes, metadata: Metadata = (), timeout: float | None = None
    ) -> bytes:
        """Make a call of one message each way.

        Raises:
            RpcFailed: there is no answer.
        """
        call = self.call(path, metadata, timeout)
        try:
            with contextlib.suppress(RpcFailed):  # `read` knows better why
                await call.write(request)
            call.end()
            response = await call.read()
            while response is not None and await call.read() is not None:
                pass
        finally:
            call.cancel()
        if response is None:
            raise RpcFailed(StatusCode.INTERNAL, "the call ended without an answer")
        return response

    def forget(self, call: ClientCall) -> None:
        """Let a call that is over wait no longer for its beginning."""
        self._waiting.pop(call, None)

    async def close(self) -> None:
        """End every call and the connection."""
        self._closed = True
        if self._connecting:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        self._fail_waiting("the channel is closed")
        for endpoint in (self._endpoint, *self._old):
            if endpoint:
                endpoint.close()

    def _path(self, path: str) -> bytes:
        block = self._paths.get(path)
        if block is None:
            # Pseudo-fields come first.
            block = self._paths[path] = encode(((":path", path),)) + self._common
        return block

    def _usable(self) -> Endpoint | None:
        endpoint = self._endpoint
        if endpoint is None:
            return None
        connection = endpoint.connection
        if connection.failed or not endpoint.usable:
            self._endpoint = None
        elif connection.peer_gone_at is not None or connection.is_used_up:
            # Its calls go on; `_begin_waiting` closes it after the last one.
            self._old = {each for each in self._old if each.usable} | {endpoint}
            self._endpoint = None
        return self._endpoint

    def _wait(self, call: ClientCall) -> None:
        loop = asyncio.get_running_loop()
        if self._closed:
            call.fail(RpcFailed(StatusCode.CANCELLED, "the channel is closed"))
        elif self._endpoint is None and loop.time() < self._not_before:
            call.fail(RpcFailed(StatusCode.UNAVAILABLE, self._refused))
        else:
            self._waiting[call] = None
            if self._endpoint is None and self._connecting is None:
                self._connecting = loop.create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, endpoint = await loop.create_connection(
                    lambda: Endpoint(self._limits, self._keepalive), self._host, self._port
                )
        # A name that no resolver takes is a ValueError, a port beyond 65535 an OverflowError.
        except (OSError, ValueError, OverflowError) as error:
            self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
            self._not_before = loop.time() + self._pause
            self._refused = f"{self._host}:{self._port} cannot be reached: {str(error) or _SLOW}"
            self._fail_waiting(self._refused)
            return
        finally:
            self._connecting = None
        self._pause = 0.0
        self._endpoint = endpoint
        endpoint.connection.opened = self._begin_waiting
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        """Begin what waits, on a new connection after a lost one; close old ones without calls."""
        endpoint = self._usable()
        for old in [each for each in self._old if not each.connection.streams]:
            self._old.discard(old)
            asyncio.get_running_loop().call_soon(old.close)
        while self._waiting and endpoint and endpoint.connection.can_open:
            self._waiting.popitem(last=False)[0].begin(endpoint)
        if self._waiting and endpoint is None and self._connecting is None and not self._closed:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def _fail_waiting(self, reason: str) -> None:
        while self._waiting:
            self._waiting.popitem(last=False)[0].fail(RpcFailed(StatusCode.UNAVAILABLE, reason))
