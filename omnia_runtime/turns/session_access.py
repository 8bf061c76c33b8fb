"""One writer of a session at a time, within this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakValueDictionary

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Session
from omnia_runtime.turns.turn import Caller

# A turn that was just cancelled is still storing its answer; the next one may wait for it.
WAIT_SECONDS = 1.0
# A summary that is ready waits for the turn that began meanwhile: making it anew would cost more.
SUMMARY_WAIT_SECONDS = 600.0


class SessionBusy(OmniaError):
    """Another turn of the session is running."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            Code.FAILED_PRECONDITION,
            f'another turn of session "{session_id}" is running; send the message again '
            "when it has ended",
        )


class _Lock(asyncio.Lock):
    """A lock that is free may be promised already: to one who waits and is just waking up."""

    waiting = 0


class SessionLocks:
    """A lock for each session that somebody writes to or waits for, and none for the others.

    Each raises `SessionBusy` when the wait was in vain.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()

    def turn(self, session_id: str) -> AbstractAsyncContextManager[None]:
        """Keep others away for a turn."""
        return self._held(session_id, WAIT_SECONDS)

    def summary(self, session_id: str) -> AbstractAsyncContextManager[None]:
        """Keep others away while a summary is written."""
        return self._held(session_id, SUMMARY_WAIT_SECONDS)

    @asynccontextmanager
    async def _held(self, session_id: str, patience: float) -> AsyncIterator[None]:
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = _Lock()
        if lock.locked() or lock.waiting:
            lock.waiting += 1
            try:
                async with asyncio.timeout(patience):
                    await lock.acquire()
            except TimeoutError as error:
                raise SessionBusy(session_id) from error
            finally:
                lock.waiting -= 1
        else:
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()


class SessionUnknown(OmniaError):
    """There is no such session for this caller."""

    def __init__(self, session_id: str) -> None:
        super().__init__(
            Code.NOT_FOUND,
            f'session "{session_id}" is unknown or has expired; a message without session_id '
            "starts a new one",
        )


def require_owner(session: Session | None, caller: Caller) -> None:
    """Let nobody continue another user's session, or learn that there is one.

    Raises:
        SessionUnknown: the session is somebody else's.
    """
    if session is not None and not session.open_to(caller.user_id):
        raise SessionUnknown(session.id)
