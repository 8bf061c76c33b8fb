"""What the server agrees to when a WebSocket opens."""

from collections.abc import Sequence

from websockets.exceptions import InvalidMessage
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.auth.bearer import SUBPROTOCOL
from omnia_facade.entrance.answer import answer

OURS = Subprotocol(SUBPROTOCOL)
_UNREADABLE = answer(400, "bad_request", "the upgrade is not as RFC 6455 wants it")


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
