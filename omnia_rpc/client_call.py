"""A call at the client."""

import asyncio
from collections.abc import Callable

from omnia_rpc.call import RpcCall
from omnia_rpc.endpoint import Http2Endpoint
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.fields import Fields
from omnia_rpc.messages import IDENTITY
from omnia_rpc.metadata import is_grpc
from omnia_rpc.status import RpcFailed, StatusCode, failure_from_trailers


class ClientCall(RpcCall):
    """A call to a server. `read` raises the error of the server or of the connection."""

    __slots__ = ("_block", "_on_never_started", "_started", "_timer", "_trailers")

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
