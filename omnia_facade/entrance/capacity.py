"""How many connections a pod has, and each user of it."""

import asyncio
from collections import Counter
from enum import Enum, auto

# So many connections beyond the limit are told why they are refused; more are cut.
MAX_OUTSIDE = 256


class Admission(Enum):
    """Where a connection stands."""

    INSIDE = auto()
    OUTSIDE = auto()
    NOWHERE = auto()


class Capacity:
    """Counts connections. Each count is checked and raised in one step of the event loop."""

    def __init__(self, limit: int, user_limit: int) -> None:
        """`user_limit` holds for each user who is known; `limit` for all connections."""
        self._limits = {Admission.INSIDE: limit, Admission.OUTSIDE: MAX_OUTSIDE}
        self._user_limit = user_limit
        self._counts = dict.fromkeys(self._limits, 0)
        self._users: Counter[str] = Counter()

    def enter(self) -> Admission:
        """Count one more connection, where there is room for it."""
        for place, limit in self._limits.items():
            if self._counts[place] < limit:
                self._counts[place] += 1
                return place
        return Admission.NOWHERE

    def leave(self, place: Admission) -> None:
        """Count one less."""
        if place is not Admission.NOWHERE:
            self._counts[place] -= 1

    def enter_user(self, user_id: str) -> bool:
        """Count one more connection of a user, unless there are too many; nobody's are not."""
        if not user_id:
            return True
        if self._users[user_id] >= self._user_limit:
            return False
        self._users[user_id] += 1
        return True

    def leave_user(self, user_id: str) -> None:
        """Count one less; a user without any is forgotten."""
        if user_id:
            self._users[user_id] -= 1
            if not self._users[user_id]:
                del self._users[user_id]


class Counted(asyncio.Protocol):
    """Hands everything on to a protocol, until its connection is lost and not counted any more."""

    __slots__ = ("_capacity", "_inner", "_user_id")

    def __init__(self, inner: asyncio.Protocol, capacity: Capacity, user_id: str) -> None:
        """Take over a connection that is inside, and is counted for this user."""
        self._inner = inner
        self._capacity = capacity
        self._user_id = user_id

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._capacity.leave(Admission.INSIDE)
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
