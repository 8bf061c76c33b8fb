"""What a client has asked for and has to wait its turn."""

import time

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.dialogue.events import CallRequest, TurnRequest
from omnia_facade.ws.messages import Refused

MAX_WAITING = 8
MAX_WAITING_BYTES = MAX_MESSAGE_BYTES


class Item:
    """A message to be answered, a call to be taken or, without a request, a session to be resumed.

    Attributes:
        size: of the message, in bytes.
        accepted_at: when it came, by `time.perf_counter`.
        prefix: what all chunks of its answer begin with.
    """

    __slots__ = ("accepted_at", "cancelled", "prefix", "request", "session_id", "size")

    def __init__(
        self, session_id: str, request: TurnRequest | CallRequest | None, size: int = 0
    ) -> None:
        self.session_id = session_id
        self.request = request
        self.size = size
        self.accepted_at = time.perf_counter()
        self.cancelled = False
        self.prefix = b""


class Waiting:
    """A queue with an end."""

    __slots__ = ("_items", "_size")

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size(self) -> int:
        """Bytes of what waits."""
        return self._size

    @property
    def first(self) -> Item | None:
        """What comes next."""
        return self._items[0] if self._items else None

    def add(self, item: Item) -> None:
        """Let an item wait.

        Raises:
            Refused: too many wait already, or too much.
        """
        if len(self._items) >= MAX_WAITING:
            raise _full(f"{MAX_WAITING} messages are waiting already")
        if self._items and self._size + item.size > MAX_WAITING_BYTES:
            raise _full(
                f"the messages that are waiting have {self._size} bytes; together with this one "
                f"they would have more than {MAX_WAITING_BYTES}"
            )
        self._items.append(item)
        self._size += item.size

    def take(self) -> Item:
        """Return what comes next."""
        item = self._items.pop(0)
        self._size -= item.size
        return item

    def clear(self) -> None:
        """Forget all."""
        self._items.clear()
        self._size = 0


def _full(state: str) -> Refused:
    return Refused(ErrorCode.RATE_LIMITED, f"{state}; send the message again after a done")
