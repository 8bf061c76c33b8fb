"""What a call is at either end: messages in, messages out, any number of writers and one reader."""

import asyncio

import structlog

from omnia_rpc.http2.errors import ErrorCode
from omnia_rpc.http2.stream import Stream
from omnia_rpc.messages import Inbox, Take, prefixed
from omnia_rpc.status import RpcFailed, StatusCode, of_reset

_log = structlog.get_logger()


class Call:
    """Messages of a stream."""

    __slots__ = ("_failed", "_inbox", "_over", "_reader", "_stream", "_take", "_writer")

    def __init__(self, limit: int) -> None:
        self._inbox = Inbox(limit)
        self._stream: Stream | None = None
        self._over = False
        self._failed: RpcFailed | None = None
        self._reader: asyncio.Future[None] | None = None
        self._take: Take | None = None
        self._writer: asyncio.Future[None] | None = None

    async def read(self, take: Take | None = None) -> bytes | None:
        """Return the next message, or None when the peer has sent its last one.

        While this waits, `take` is called with each message the moment it comes; what it takes is
        not returned, and wakes nobody.

        Raises:
            RpcFailed: the call is over, and did not end well.
        """
        while (message := self._ready(take)) is None:
            if self._over:
                if self._failed:
                    raise self._gone()
                return None
            self._reader = asyncio.get_running_loop().create_future()
            self._take = take
            try:
                await self._reader
            finally:
                self._reader = self._take = None
        return message

    def _ready(self, take: Take | None) -> bytes | None:
        """Return the next message that is here and not taken."""
        while self._inbox:
            message, held = self._inbox.take()
            if held and self._stream:
                self._stream.consumed(held)
            if take is None or not take(message):
                return message
        return None

    def push(self, message: bytes) -> bool:
        """Send a message without waiting; False: `room` is to be waited for before the next.

        A call that is over takes nothing; `room` says so.
        """
        stream = self._stream
        if stream is None or not stream.local_open or stream.ending:
            return False
        stream.send(prefixed(message))
        return not stream.full

    async def write(self, message: bytes) -> None:
        """Send a message; waits while the peer takes none.

        Raises:
            RpcFailed: the call is over.
        """
        if not self.push(message):
            await self.room()

    async def room(self) -> None:
        """Wait while the peer takes nothing.

        Raises:
            RpcFailed: the call is over.
        """
        stream = self._stream
        if stream is None or stream.ending:
            raise self._gone()
        while stream.full:
            if self._writer is None:
                self._writer = asyncio.get_running_loop().create_future()
            # Several may wait, and one that is cancelled leaves the others waiting.
            await asyncio.shield(self._writer)
        if not stream.local_open:
            raise self._gone()

    def data(self, data: bytes) -> None:
        if self._over:
            return
        try:
            free = self._inbox.feed(data, self._take)
        except RpcFailed as failed:
            self._refuse(failed)
            return
        except Exception:  # noqa: BLE001 - it would end every other call of the connection too
            _log.exception("a message was not taken")
            self._refuse(RpcFailed(StatusCode.INTERNAL, "a message was not taken; see the log"))
            return
        if free and self._stream:
            self._stream.consumed(free)
        if self._reader and self._inbox:
            _wake(self._reader)

    def ended(self) -> None:
        self._finish(self._failed)

    def reset(self, code: ErrorCode, reason: str) -> None:
        self._finish(of_reset(code, reason))
        self.writable()

    def writable(self) -> None:
        if self._writer:
            _wake(self._writer)
            self._writer = None

    def _finish(self, failed: RpcFailed | None) -> None:
        if not self._over:
            self._over = True
            self._failed = failed
        if self._reader:
            _wake(self._reader)

    def _refuse(self, failed: RpcFailed) -> None:
        """End the call because of what the peer sent."""
        raise NotImplementedError

    def _gone(self) -> RpcFailed:
        failed = self._failed
        if failed is None:
            return of_reset(ErrorCode.CANCEL, "the call is over")
        # A new one each time: what is raised holds its traceback, and with it this call.
        return RpcFailed(failed.code, failed.details)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
