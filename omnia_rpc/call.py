"""What client calls and server calls have in common: sending and receiving messages."""

import asyncio

import structlog

from omnia_rpc.headers import RpcFailed, StatusCode, failure_from_reset
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.stream import Http2Stream
from omnia_rpc.messages import MessageBuffer, MessageConsumer, with_prefix

_log = structlog.get_logger()


class RpcCall:
    """The messages of a call. Any number of tasks may write, and one may read."""

    __slots__ = ("_consumer", "_failed", "_over", "_reader", "_received", "_stream", "_writer")

    def __init__(self, limit: int) -> None:
        """`limit` is the size of the largest message, in bytes."""
        self._received = MessageBuffer(limit)
        self._stream: Http2Stream | None = None
        self._over = False
        self._failed: RpcFailed | None = None
        self._reader: asyncio.Future[None] | None = None
        self._consumer: MessageConsumer | None = None
        self._writer: asyncio.Future[None] | None = None

    async def read(self, consumer: MessageConsumer | None = None) -> bytes | None:
        """Return the next message, or None when the peer has sent its last one.

        While this waits, `consumer` is called with each message as soon as it arrives. A message
        that it consumes is not returned, and does not wake the reading task.

        Raises:
            RpcFailed: the call ended with an error.
        """
        while (message := self._next(consumer)) is None:
            if self._over:
                if self._failed:
                    raise self._failure()
                return None
            self._reader = asyncio.get_running_loop().create_future()
            self._consumer = consumer
            try:
                await self._reader
            finally:
                self._reader = self._consumer = None
        return message

    def try_write(self, message: bytes) -> bool:
        """Send a message without waiting. False: call `drain` before the next message.

        A call that is over discards the message; `drain` raises then.
        """
        return self.try_send(with_prefix(message))

    def try_send(self, messages: bytes) -> bool:
        """Send any number of messages that have their prefixes, as `try_write`."""
        stream = self._stream
        if stream is None or not stream.local_open or stream.ending:
            return False
        stream.send(messages)
        return not stream.full

    async def write(self, message: bytes) -> None:
        """Send a message; wait while the peer accepts no more.

        Raises:
            RpcFailed: the call is over.
        """
        if not self.try_write(message):
            await self.drain()

    async def drain(self) -> None:
        """Wait while the peer accepts no more.

        Raises:
            RpcFailed: the call is over.
        """
        stream = self._stream
        if stream is None or stream.ending:
            raise self._failure()
        while stream.full:
            if self._writer is None:
                self._writer = asyncio.get_running_loop().create_future()
            # Several tasks may wait; when one is cancelled, the others go on waiting.
            await asyncio.shield(self._writer)
        if not stream.local_open:
            raise self._failure()

    def on_data(self, data: bytes) -> None:
        if self._over:
            return
        try:
            credit = self._received.receive(data, self._consumer)
        except RpcFailed as failed:
            self._refuse(failed)
            return
        except Exception:  # noqa: BLE001 - it would end every other call of the connection too
            _log.exception("handling a received message failed")
            details = "handling a received message failed; see the log"
            self._refuse(RpcFailed(StatusCode.INTERNAL, details))
            return
        if credit:
            self._return_credit(credit)
        if self._reader and self._received:
            _wake(self._reader)

    def on_end(self) -> None:
        self._finish(self._failed)

    def on_reset(self, code: Http2ErrorCode, reason: str) -> None:
        self._finish(failure_from_reset(code, reason))
        self.on_writable()

    def on_writable(self) -> None:
        if self._writer:
            _wake(self._writer)
            self._writer = None

    def _next(self, consumer: MessageConsumer | None) -> bytes | None:
        """Return the next message that is here and that `consumer` does not consume."""
        while self._received:
            message, credit = self._received.pop()
            if credit:
                self._return_credit(credit)
            if consumer is None or not consumer(message):
                return message
        return None

    def _return_credit(self, count: int) -> None:
        """Let the peer send more, for bytes that are consumed."""
        if self._stream:
            self._stream.consumed(count)

    def _finish(self, failed: RpcFailed | None) -> None:
        """Mark the call as over; the first result counts."""
        if not self._over:
            self._over = True
            self._failed = failed
        if self._reader:
            _wake(self._reader)

    def _refuse(self, failed: RpcFailed) -> None:
        """End the call because of what the peer sent."""
        raise NotImplementedError

    def _failure(self) -> RpcFailed:
        failed = self._failed
        if failed is None:
            return failure_from_reset(Http2ErrorCode.CANCEL, "the call is over")
        # A new one each time: a raised exception holds its traceback, and with it this call.
        return RpcFailed(failed.code, failed.details, failed.status_details)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
