"""Exclusive access to a session within this process, and the check of its owner."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakValueDictionary

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Session
from omnia_runtime.turns.turn import Caller

# A turn that was just cancelled is still storing its answer; the next turn may wait for it.
WAIT_SECONDS = 1.0
# A finished summary waits for a turn that began meanwhile: a new summary would cost more.
SUMMARY_WAIT_SECONDS = 600.0


class SessionBusy(OmniaError):
    """Another turn of the session is running."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            Code.FAILED_PRECONDITION,
            f'another turn of session "{session_id}" is running; send the message again '
            "when it has ended",
        )


class SessionUnknown(OmniaError):
    """The session does not exist, or belongs to another user."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            Code.NOT_FOUND,
            f'session "{session_id}" is unknown or has expired; a message without session_id '
            "starts a new one",
        )


def require_owner(session: Session | None, caller: Caller) -> None:
    """Check that the session is new or open to the caller.

    Raises:
        SessionUnknown: the session belongs to another user. The error is the same as for a session
            that does not exist, so that a caller cannot find out which sessions exist.
    """
    if session is not None and not session.open_to(caller.user_id):
        raise SessionUnknown(session.id)


class _Lock(asyncio.Lock):
    """A lock with a count of its waiters.

    A lock that is not locked may already belong to a waiter that is about to wake up.
    """

    waiters = 0


class SessionLocks:
    """One lock for each session in use.

    Each context manager raises `SessionBusy` if the lock is not free in time.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()

    def turn(self, session_id: str) -> AbstractAsyncContextManager[None]:
        """Lock the session for a turn."""
        return self._lock(session_id, WAIT_SECONDS)

    def summary(self, session_id: str) -> AbstractAsyncContextManager[None]:
        """Lock the session while a summary is stored."""
        return self._lock(session_id, SUMMARY_WAIT_SECONDS)

    @asynccontextmanager
    async def _lock(self, session_id: str, timeout: float) -> AsyncIterator[None]:
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = _Lock()
        if lock.locked() or lock.waiters:
            lock.waiters += 1
            try:
                async with asyncio.timeout(timeout):
                    await lock.acquire()
            except TimeoutError as error:
                raise SessionBusy(session_id) from error
            finally:
                lock.waiters -= 1
        else:
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()
