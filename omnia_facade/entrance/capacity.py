"""Limits the connections of a pod, and of each user."""

import asyncio
from collections import Counter
from enum import Enum, auto

# So many connections beyond the limit get an answer that says why; more are dropped.
MAX_REFUSED = 256


class Admission(Enum):
    """What happens to a new connection."""

    ADMITTED = auto()
    REFUSE_WITH_503 = auto()
    DROP = auto()


class Capacity:
    """Counts connections. Each count is checked and raised in one step of the event loop."""

    def __init__(self, limit: int, user_limit: int) -> None:
        """`limit` is for all connections, `user_limit` for those of each authenticated user."""
        self._limits = {Admission.ADMITTED: limit, Admission.REFUSE_WITH_503: MAX_REFUSED}
        self._user_limit = user_limit
        self._counts = dict.fromkeys(self._limits, 0)
        self._users: Counter[str] = Counter()

    def enter(self) -> Admission:
        """Count a new connection, and decide on its admission. A dropped one is not counted."""
        for admission, limit in self._limits.items():
            if self._counts[admission] < limit:
                self._counts[admission] += 1
                return admission
        return Admission.DROP

    def leave(self, admission: Admission) -> None:
        """Stop counting a connection."""
        if admission is not Admission.DROP:
            self._counts[admission] -= 1

    def enter_user(self, user_id: str) -> bool:
        """Count a connection of this user; False at the limit.

        Anonymous connections, whose `user_id` is "", are not counted.
        """
        if not user_id:
            return True
        if self._users[user_id] >= self._user_limit:
            return False
        self._users[user_id] += 1
        return True

    def leave_user(self, user_id: str) -> None:
        """Stop counting a connection of this user."""
        if user_id:
            self._users[user_id] -= 1
            if not self._users[user_id]:
                del self._users[user_id]


class CountedConnection(asyncio.Protocol):
    """Forwards to the protocol that serves a connection; its end frees the connection's counts."""

    __slots__ = ("_capacity", "_inner", "_user_id")

    def __init__(self, inner: asyncio.Protocol, capacity: Capacity, user_id: str) -> None:
        """The connection is admitted, and counted for this user."""
        self._inner = inner
        self._capacity = capacity
        self._user_id = user_id

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._capacity.leave(Admission.ADMITTED)
        self._capacity.leave_user(self._user_id)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
