"""Signals in PostgreSQL: a table with the last ones, and notifications that wake listeners."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from omnia_core.sessions.escaping import escape_nul, replace_nul, unescape_nul
from omnia_core.sessions.postgres.pool import PostgresPool
from omnia_core.sessions.signals import (
    CHECK_SECONDS,
    CONNECTED_SECONDS,
    KEPT_SECONDS,
    POLL_SECONDS,
    Signal,
    StoredSignals,
    Wakeups,
)
from omnia_core.sessions.store import StoreUnavailable

_SEND = "SELECT omnia.send_signal($1, $2, $3, $4, $5, $6, $7, $8)"
_RECENT = """
SELECT session, kind, sender, length FROM omnia.signals
WHERE namespace = $1 AND agent = $2 AND sent_at > clock_timestamp() - $3::interval
"""
_NOTIFY = "SELECT pg_notify($1, '')"
_KEPT = timedelta(seconds=KEPT_SECONDS)


class PostgresSignals(StoredSignals):
    """The signals of an agent, over the pool of a session store.

    A listener has one connection more. Where a pooler gives each transaction another connection to
    the server, no notification arrives, and the listener goes on polling.
    """

    idle_seconds = CONNECTED_SECONDS

    def __init__(self, pool: PostgresPool, namespace: str, agent: str) -> None:
        self._pool = pool
        self._owner = (namespace, agent)
        digest = hashlib.sha256(f"{namespace}/{agent}".encode()).hexdigest()
        self._channel = f"omnia_{digest[:32]}"

    async def send(self, signal: Signal) -> None:
        await self._pool.fetch(
            _SEND,
            *self._owner,
            escape_nul(signal.session_id),
            signal.kind,
            replace_nul(signal.by),
            signal.length,
            self._channel,
            _KEPT,
        )

    async def recent(self) -> Sequence[Signal]:
        rows = await self._pool.fetch(_RECENT, *self._owner, _KEPT)
        return [
            Signal(unescape_nul(session), kind, sender, length)
            for session, kind, sender, length in rows
        ]

    @asynccontextmanager
    async def wakeups(self) -> AsyncGenerator[Wakeups | None]:
        notifications = _Notifications()
        async with self._pool.listening(
            self._channel, notifications.on_notification, notifications.on_end
        ) as notifications.check:
            # From another connection, so that only a connection to the server itself hears it.
            await self._pool.fetch(_NOTIFY, self._channel)
            yield notifications


class _Notifications:
    """Waits for notifications; polls until the first one has arrived."""

    check: Callable[[], Awaitable[None]]

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._heard = False
        self._ended = False

    def on_notification(self, *_: Any) -> None:
        self._heard = True
        self._event.set()

    def on_end(self, *_: Any) -> None:
        self._ended = True
        self._event.set()

    async def wait(self) -> None:
        try:
            async with asyncio.timeout(CHECK_SECONDS if self._heard else POLL_SECONDS):
                await self._event.wait()
        except TimeoutError:
            if self._heard:
                await self.check()
            return
        if self._ended:
            raise StoreUnavailable("the connection for notifications was closed")
        self._event.clear()
