"""A call at the calling end."""

import asyncio
from collections.abc import Callable

from omnia_rpc.call import Call
from omnia_rpc.endpoint import Endpoint
from omnia_rpc.http2.errors import ErrorCode
from omnia_rpc.http2.fields import Fields
from omnia_rpc.messages import IDENTITY
from omnia_rpc.metadata import is_grpc
from omnia_rpc.status import RpcFailed, StatusCode, of_trailers


class ClientCall(Call):
    """A call to a server. `read` raises what the server, or the way there, ended it with."""

    __slots__ = ("_begun", "_block", "_forget", "_timer", "_trailers")

    def __init__(
        self,
        forget: Callable[["ClientCall"], None],
        block: bytes,
        limit: int,
        timeout: float | None,
    ) -> None:
        """Wait for `begin`.

        Args:
            forget: is told when the call is over before it has begun.
            block: the fields that it begins with.
            limit: the size of the largest message, in bytes.
            timeout: seconds; None is no end.
        """
        super().__init__(limit)
        self._forget = forget
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
            self._forget(self)
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
