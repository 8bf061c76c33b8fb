"""What the server agrees to when a WebSocket opens."""

from collections.abc import Sequence

from websockets.exceptions import InvalidMessage
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.auth.tokens import SUBPROTOCOL
from omnia_facade.entrance.errors import HttpError, response_bytes

OURS = Subprotocol(SUBPROTOCOL)
_UNREADABLE = response_bytes(
    HttpError(400, "bad_request", "this is not an upgrade as defined by RFC 6455")
)


class OmniaProtocol(ServerProtocol):
    """RFC 6455 without I/O, for our subprotocol and our size of messages."""

    def __init__(self) -> None:
        super().__init__(max_size=MAX_MESSAGE_BYTES)

    def send_eof(self) -> None:
        if isinstance(self.handshake_exc, InvalidMessage):
            # Without this such a request would get no answer at all.
            self.writes.append(_UNREADABLE)
        super().send_eof()

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        # A token among the offers is never said back.
        return OURS if OURS in subprotocols else None
