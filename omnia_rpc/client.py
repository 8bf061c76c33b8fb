"""The client: a channel to one server, and its calls."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable

from omnia_rpc.call import RpcCall
from omnia_rpc.endpoint import Http2Endpoint, Keepalive
from omnia_rpc.headers import (
    Metadata,
    RpcFailed,
    StatusCode,
    encode_timeout,
    failure_from_trailers,
    is_grpc,
    to_fields,
)
from omnia_rpc.http2.connection import PeerLimits
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.header_fields import Fields, encode
from omnia_rpc.messages import IDENTITY


class ClientCall(RpcCall):
    """A call to a server. `read` raises the error of the server or of the connection."""

    __slots__ = (
        "_block",
        "_on_never_started",
        "_started",
        "_timer",
        "_trailers",
        "wait_for_ready",
    )

    def __init__(
        self,
        on_never_started: Callable[["ClientCall"], None],
        block: bytes,
        limit: int,
        timeout: float | None,
    ) -> None:
        """Create a call that waits for `start`.

        Args:
            on_never_started: called when the call is over before it was started.
            block: the header block of the request.
            limit: the size of the largest message, in bytes.
            timeout: seconds; None: no deadline.
        """
        super().__init__(limit)
        self._on_never_started = on_never_started
        self._block = block
        self._started: asyncio.Future[None] | None = None
        self._trailers: Fields | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.wait_for_ready = False
        if timeout is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(timeout, self._deadline_passed)

    @property
    def done(self) -> bool:
        """Whether the call is over."""
        return self._over

    async def write(self, message: bytes) -> None:
        if self._stream is None and not self._over:
            await self._wait_for_start()
        await super().write(message)

    def end(self) -> None:
        """Send no more messages."""
        if self._stream:
            self._stream.end()

    def cancel(self) -> None:
        """End the call at once."""
        self._reset(RpcFailed(StatusCode.CANCELLED, "the client cancelled the call"))

    def start(self, endpoint: Http2Endpoint) -> None:
        """Open the stream, unless the call is over already."""
        if not self._over:
            self._stream = endpoint.connection.open_stream(self._block, self)
        self._wake_writers()

    def fail(self, failed: RpcFailed) -> None:
        """End a call that was never started."""
        self._finish(failed)

    def on_headers(self, fields: Fields, *, end: bool) -> None:
        if end:
            self._trailers = fields
            return
        given = dict(fields)
        status, kind = given.get(":status"), given.get("content-type", "")
        if status != "200" or not is_grpc(kind):
            failed = failure_from_trailers([(":status", status or "")])
            detail = failed.details if failed else ""
            code = failed.code if failed else StatusCode.UNKNOWN
            self._reset(RpcFailed(code, f"{detail}; content-type {kind[:64]!r}"))
        self._received.encoding = given.get("grpc-encoding", IDENTITY)

    def on_end(self) -> None:
        failed = failure_from_trailers(self._trailers or ())
        if failed is None and self._received.is_incomplete:
            failed = RpcFailed(StatusCode.INTERNAL, "the response ends inside a message")
        stream = self._stream
        self._finish(failed)
        if stream and stream.local_open:
            # The server has sent the status of the call, so it reads nothing more.
            stream.reset(Http2ErrorCode.NO_ERROR)
            self.on_writable()

    def _finish(self, failed: RpcFailed | None) -> None:
        super()._finish(failed)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._stream is None:
            self._on_never_started(self)
        self._wake_writers()

    def _refuse(self, failed: RpcFailed) -> None:
        self._reset(failed)

    def _reset(self, failed: RpcFailed) -> None:
        if self._over:
            return
        if self._stream:
            self._stream.reset(Http2ErrorCode.CANCEL)
        self._received.clear()
        self._finish(failed)
        self.on_writable()

    def _deadline_passed(self) -> None:
        self._timer = None
        self._reset(RpcFailed(StatusCode.DEADLINE_EXCEEDED, "the deadline has passed"))

    async def _wait_for_start(self) -> None:
        if self._started is None:
            self._started = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._started)

    def _wake_writers(self) -> None:
        if self._started and not self._started.done():
            self._started.set_result(None)


CONNECT_SECONDS = 5.0
# gRPC servers close connections that send PING more often.
KEEPALIVE = Keepalive(330.0)
INITIAL_BACKOFF = 0.1
MAX_BACKOFF = 1.0
_TIMED_OUT = f"timed out after {CONNECT_SECONDS:.0f} s"


class Channel:
    """Calls to one server. A call fails soon when the server cannot be reached.

    Calls with `wait_for_ready` wait for a server that starts: for `ready_seconds` at most from the
    moment at which it could not be reached. After that they fail soon as well.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        max_message_bytes: int,
        user_agent: str,
        limits: PeerLimits | None = None,
        keepalive: Keepalive = KEEPALIVE,
        ready_seconds: float = 0.0,
        preamble: bytes = b"",
    ) -> None:
        """Connect when the first call begins.

        Args:
            host: name or address of the server.
            port: of the server.
            max_message_bytes: of the largest message that is accepted.
            user_agent: tells the server who calls.
            limits: for the server.
            keepalive: for the connection.
            ready_seconds: how long calls may wait for a server that starts.
            preamble: sent first on each connection, before HTTP/2; the server sends nothing back.
        """
        self._preamble = preamble
        self._host, self._port = host, port
        self._max_message_bytes = max_message_bytes
        self._limits = limits or PeerLimits()
        self._keepalive = keepalive
        self._common_fields = encode(
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
        self._blocks: dict[str, bytes] = {}
        self._endpoint: Http2Endpoint | None = None
        self._draining: set[Http2Endpoint] = set()
        self._waiting: OrderedDict[ClientCall, None] = OrderedDict()
        self._connecting: asyncio.Task[None] | None = None
        self._ready_seconds = ready_seconds
        self._backoff = 0.0
        self._retry_at = 0.0
        self._unreachable_since: float | None = None
        self._connect_error = ""
        self._closed = False

    def call(
        self,
        path: str,
        metadata: Metadata = (),
        timeout: float | None = None,
        *,
        wait_for_ready: bool = False,
    ) -> ClientCall:
        """Start a call to `/package.Service/Method`; its `read` raises what goes wrong.

        Raises:
            ValueError: the metadata cannot be sent.
        """
        fields = to_fields(metadata)
        if timeout is not None:
            fields.append(("grpc-timeout", encode_timeout(timeout)))
        block = self._request_block(path) + encode(fields)
        call = ClientCall(self._stop_waiting, block, self._max_message_bytes, timeout)
        call.wait_for_ready = wait_for_ready
        endpoint = self._usable_endpoint()
        if endpoint and endpoint.connection.can_open_stream and not self._waiting:
            call.start(endpoint)
        else:
            self._enqueue(call)
        return call

    async def unary(
        self,
        path: str,
        request: bytes,
        metadata: Metadata = (),
        timeout: float | None = None,
        *,
        wait_for_ready: bool = False,
    ) -> bytes:
        """Make a unary call: one request, one response.

        Raises:
            RpcFailed: the call failed, or has no response.
        """
        call = self.call(path, metadata, timeout, wait_for_ready=wait_for_ready)
        try:
            with contextlib.suppress(RpcFailed):  # `read` raises the reason
                await call.write(request)
            call.end()
            response = await call.read()
            while response is not None and await call.read() is not None:
                pass
        finally:
            call.cancel()
        if response is None:
            raise RpcFailed(StatusCode.INTERNAL, "the call ended without a response")
        return response

    async def close(self) -> None:
        """End every call and close the connection."""
        self._closed = True
        if self._connecting:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        self._fail_waiting("the channel is closed")
        for endpoint in (self._endpoint, *self._draining):
            if endpoint:
                endpoint.close()

    def _stop_waiting(self, call: ClientCall) -> None:
        self._waiting.pop(call, None)

    def _request_block(self, path: str) -> bytes:
        block = self._blocks.get(path)
        if block is None:
            # Pseudo-header fields have to come first.
            block = self._blocks[path] = encode(((":path", path),)) + self._common_fields
        return block

    def _usable_endpoint(self) -> Http2Endpoint | None:
        endpoint = self._endpoint
        if endpoint is None:
            return None
        connection = endpoint.connection
        if connection.failed or not endpoint.usable:
            self._endpoint = None
        elif connection.goaway_last_id is not None or connection.ids_exhausted:
            # Its calls go on; `_start_waiting` closes it after the last one.
            still_open = {draining for draining in self._draining if draining.usable}
            self._draining = still_open | {endpoint}
            self._endpoint = None
        return self._endpoint

    def _enqueue(self, call: ClientCall) -> None:
        loop = asyncio.get_running_loop()
        if self._closed:
            call.fail(RpcFailed(StatusCode.CANCELLED, "the channel is closed"))
        elif (
            self._endpoint is None
            and loop.time() < self._retry_at
            and not self._may_wait(call, loop.time())
        ):
            call.fail(RpcFailed(StatusCode.UNAVAILABLE, self._connect_error))
        else:
            self._waiting[call] = None
            if self._endpoint is None and self._connecting is None:
                self._connecting = loop.create_task(self._connect())

    def _may_wait(self, call: ClientCall, now: float) -> bool:
        """Whether a call waits for a server that cannot be reached at this time."""
        since = self._unreachable_since
        return call.wait_for_ready and since is not None and now < since + self._ready_seconds

    async def _connect(self) -> None:
        try:
            delay = self._retry_at - asyncio.get_running_loop().time()
            if delay > 0:
                await asyncio.sleep(delay)
            while (endpoint := await self._try_connect()) is None:
                if not self._waiting:
                    return
                await asyncio.sleep(self._backoff)
        finally:
            self._connecting = None
        self._backoff = 0.0
        self._unreachable_since = None
        self._endpoint = endpoint
        endpoint.connection.on_capacity = self._start_waiting
        self._start_waiting()

    async def _try_connect(self) -> Http2Endpoint | None:
        """Return the connected endpoint; None: not reachable, and only calls that may wait do."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, endpoint = await loop.create_connection(
                    lambda: Http2Endpoint(self._limits, self._keepalive, preamble=self._preamble),
                    self._host,
                    self._port,
                )
        # An invalid host name is a ValueError, a port above 65535 an OverflowError.
        except (OSError, ValueError, OverflowError) as error:
            now = loop.time()
            self._backoff = min(MAX_BACKOFF, self._backoff * 2 or INITIAL_BACKOFF)
            self._retry_at = now + self._backoff
            if self._unreachable_since is None:
                self._unreachable_since = now
            self._connect_error = (
                f"{self._host}:{self._port} cannot be reached: {str(error) or _TIMED_OUT}"
            )
            refused = [call for call in self._waiting if not self._may_wait(call, now)]
            for call in refused:
                self._waiting.pop(call, None)
                call.fail(RpcFailed(StatusCode.UNAVAILABLE, self._connect_error))
            return None
        return endpoint

    def _start_waiting(self) -> None:
        """Start waiting calls, reconnecting if needed; close draining connections without calls."""
        endpoint = self._usable_endpoint()
        for old in [old for old in self._draining if not old.connection.streams]:
            self._draining.discard(old)
            asyncio.get_running_loop().call_soon(old.close)
        while self._waiting and endpoint and endpoint.connection.can_open_stream:
            self._waiting.popitem(last=False)[0].start(endpoint)
        if self._waiting and endpoint is None and self._connecting is None and not self._closed:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def _fail_waiting(self, reason: str) -> None:
        while self._waiting:
            self._waiting.popitem(last=False)[0].fail(RpcFailed(StatusCode.UNAVAILABLE, reason))
