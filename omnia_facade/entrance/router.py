"""One port for WebSocket and HTTP: reads the first request's head, then hands the socket on."""

import asyncio
from typing import cast

import structlog

from omnia_facade.auth.chain import Unauthorized
from omnia_facade.entrance.admission import (
    Refusal,
    is_conversation,
    misdirected,
    names_this_machine,
    refusal,
    shutting_down,
    too_many,
    too_many_of_user,
    unauthorized,
)
from omnia_facade.entrance.answer import answer
from omnia_facade.entrance.capacity import Admission, Counted
from omnia_facade.entrance.context import EntranceContext
from omnia_facade.entrance.head import END, RequestHead, parse_head
from omnia_facade.entrance.rejections import Rejection

MAX_HEAD_BYTES = 64 * 1024

_log = structlog.get_logger()


class ConnectionRouter(asyncio.Protocol):
    """A connection whose protocol is not known yet."""

    __slots__ = ("_admitting", "_buffer", "_house", "_place", "_refused", "_timer", "_transport")

    def __init__(self, house: EntranceContext) -> None:
        self._house = house
        self._buffer = bytearray()
        self._admitting = False
        self._place = Admission.NOWHERE
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._place = self._house.capacity.enter()
        if self._place is Admission.NOWHERE:
            self._house.rejected(Rejection.TOO_MANY_CONNECTIONS)
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._house.timings.head, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        self._stop_timer()
        self._house.capacity.leave(self._place)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        # The end may be split over two packets; what was searched before is not searched again.
        searched = max(0, len(self._buffer) - len(END))
        self._buffer += data
        if self._admitting:
            return
        end = self._buffer.find(END, searched)
        if end > MAX_HEAD_BYTES or (end < 0 and len(self._buffer) > MAX_HEAD_BYTES):
            self._refuse(
                Refusal(431, Rejection.HEAD_TOO_LARGE, "the request's headers are too large")
            )
        elif end >= 0:
            self._route(bytes(self._buffer[:end]))

    def _route(self, data: bytes) -> None:
        head = parse_head(data)
        if head is None:
            self._refuse(Refusal(400, Rejection.BAD_REQUEST, "this is not an HTTP/1.1 request"))
        elif self._house.local and not names_this_machine(head, self._house.allowed_origins):
            self._refuse(misdirected(), head)
        elif self._place is Admission.OUTSIDE:
            self._refuse(too_many(), head)
        elif self._house.upgrade is None or (self._house.http and not _is_conversation(head)):
            if self._house.draining:
                self._refuse(shutting_down(), head)
            elif self._house.http:
                self._hand_on(self._house.http(), "")
        elif self._house.front and (response := self._house.front(head)):
            if self._house.draining:
                self._refuse(shutting_down(), head)
            else:
                self._end(response)
        elif self._transport:
            self._admitting = True
            self._transport.pause_reading()
            task = asyncio.get_running_loop().create_task(self._admit(head))
            self._house.tasks.add(task)
            task.add_done_callback(self._admitted)

    def _admitted(self, task: asyncio.Task[None]) -> None:
        self._house.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("a connection could not be opened", exc_info=error)
            if self._transport:
                self._transport.abort()

    async def _admit(self, head: RequestHead) -> None:
        house = self._house
        try:
            principal = await house.authenticator.authenticate(head.headers)
        except Unauthorized as error:
            self._refuse(unauthorized(str(error)), head)
            return
        except Exception:  # noqa: BLE001 - a validator is foreign code
            _log.exception("a validator crashed")
            detail = "the credential could not be checked"
            self._refuse(Refusal(500, Rejection.INTERNAL_ERROR, detail), head)
            return
        refused = refusal(head, allowed_origins=house.allowed_origins, draining=house.draining)
        if refused:
            self._refuse(refused, head)
        elif self._transport is None or self._transport.is_closing() or house.upgrade is None:
            return
        elif not house.capacity.enter_user(principal.user_id):
            self._refuse(too_many_of_user(), head)
        else:
            try:
                inner = house.upgrade(head, principal)
            except BaseException:
                house.capacity.leave_user(principal.user_id)
                raise
            self._hand_on(inner, principal.user_id)

    def _hand_on(self, inner: asyncio.Protocol, user_id: str) -> None:
        """Hand the connection, counted for this user, to who will serve it."""
        transport = self._transport
        self._stop_timer()
        if transport is None:
            return
        protocol = Counted(inner, self._house.capacity, user_id)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        # The head by itself: frames that come before the handshake is answered are read after it.
        end = self._buffer.find(END) + len(END)
        protocol.data_received(bytes(self._buffer[:end]))
        if len(self._buffer) > end:
            protocol.data_received(bytes(self._buffer[end:]))
        transport.resume_reading()

    def _refuse(self, refused: Refusal, head: RequestHead | None = None) -> None:
        self._house.rejected(refused.error)
        head_only = head is not None and head.method == "HEAD"
        self._end(
            answer(
                refused.status,
                refused.error,
                refused.detail,
                refused.headers,
                head_only=head_only,
            )
        )

    def _end(self, response: bytes) -> None:
        """Answer, and wait a moment for the client to close: what it still sends is not read."""
        transport = self._transport
        self._refused = True
        self._stop_timer()
        if transport is None or transport.is_closing():
            return
        transport.write(response)
        if transport.can_write_eof():
            transport.write_eof()
        transport.resume_reading()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._house.timings.linger, self._close, transport)

    def _close(self, transport: asyncio.Transport) -> None:
        """Close when all is sent; who does not read it is not waited for."""
        transport.close()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._house.timings.send, transport.abort)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _is_conversation(head: RequestHead) -> bool:
    return head.is_upgrade or is_conversation(head.path)
