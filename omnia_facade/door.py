"""One port for WebSocket and HTTP: reads the first request's head, then hands the socket on."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import structlog

from omnia_facade.auth.chain import Authenticator, Unauthorized
from omnia_facade.auth.principal import Principal
from omnia_facade.http.admission import Refusal, is_conversation, refusal, unauthorized
from omnia_facade.http.answer import answer
from omnia_facade.http.head import END, RequestHead, parse_head

MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0
# How long a refused client may take to read the answer before the socket is cut.
LINGER_SECONDS = 2.0

_log = structlog.get_logger()

HttpServer: TypeAlias = Callable[[], asyncio.Protocol]
Upgrade: TypeAlias = Callable[[RequestHead, Principal], asyncio.Protocol]


class House:
    """What is behind the door: `http` when there are routes, otherwise conversations only."""

    def __init__(
        self,
        authenticator: Authenticator,
        *,
        upgrade: Upgrade | None = None,
        http: HttpServer | None = None,
        allowed_origins: Sequence[str] = (),
    ) -> None:
        self.authenticator = authenticator
        self.upgrade = upgrade
        self.http = http
        self.allowed_origins = tuple(allowed_origins)
        self.draining = False
        self.tasks: set[asyncio.Task[None]] = set()


class Door(asyncio.Protocol):
    """A connection whose protocol is not known yet."""

    __slots__ = ("_admitting", "_buffer", "_house", "_refused", "_timer", "_transport")

    def __init__(self, house: House) -> None:
        self._house = house
        self._buffer = bytearray()
        self._admitting = False
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEAD_SECONDS, self._transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's
        self._stop_timer()
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
            self._refuse(Refusal(431, "head_too_large", "the request's headers are too large"))
        elif end >= 0:
            self._route(bytes(self._buffer[:end]))

    def _route(self, data: bytes) -> None:
        head = parse_head(data)
        if head is None:
            self._refuse(Refusal(400, "bad_request", "this is not an HTTP/1.1 request"))
        elif self._house.upgrade is None or (self._house.http and not _is_conversation(head)):
            self._hand_on(self._house.http() if self._house.http else None)
        elif self._transport:
            self._admitting = True
            self._transport.pause_reading()
            task = asyncio.get_running_loop().create_task(self._admit(head))
            self._house.tasks.add(task)
            task.add_done_callback(self._house.tasks.discard)

    async def _admit(self, head: RequestHead) -> None:
        house = self._house
        try:
            principal = await house.authenticator.authenticate(head.headers)
        except Unauthorized as error:
            self._refuse(unauthorized(str(error)))
            return
        except Exception:  # noqa: BLE001 - a validator is foreign code
            _log.exception("a validator crashed")
            self._refuse(Refusal(500, "internal_error", "the credential could not be checked"))
            return
        refused = refusal(head, allowed_origins=house.allowed_origins, draining=house.draining)
        if refused:
            self._refuse(refused)
        elif house.upgrade:
            self._hand_on(house.upgrade(head, principal))

    def _hand_on(self, protocol: asyncio.Protocol | None) -> None:
        transport = self._transport
        self._stop_timer()
        if transport is None or transport.is_closing() or protocol is None:
            return
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(bytes(self._buffer))
        transport.resume_reading()

    def _refuse(self, refused: Refusal) -> None:
        """Answer, and wait a moment for the client to close: what it still sends is not read."""
        transport = self._transport
        self._refused = True
        self._stop_timer()
        if transport is None or transport.is_closing():
            return
        transport.write(answer(refused.status, refused.error, refused.detail, refused.headers))
        if transport.can_write_eof():
            transport.write_eof()
        transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.close)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _is_conversation(head: RequestHead) -> bool:
    return head.is_upgrade or is_conversation(head.path)
