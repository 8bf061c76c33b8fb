"""A connection pool for PostgreSQL with timeouts, retries and migrations."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]

from omnia_core.errors import ConfigurationError
from omnia_core.sessions.postgres.migrations import is_current, migrate
from omnia_core.sessions.store import StoreUnavailable

CONNECT_SECONDS = 2.0
COMMAND_SECONDS = 5.0
# An index of a million sessions takes a second.
MIGRATION_SECONDS = 60.0
CONNECTIONS = 8
ATTEMPTS = 4
_SERVER_SETTINGS = {"application_name": "omnia"}
_BACKOFF_SECONDS, _BACKOFF_CAP_SECONDS = 0.05, 0.5

# Errors that a retry may solve: a lost connection, a server that starts or stops, a deadlock.
_TRANSIENT = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.TooManyConnectionsError,
)


class PostgresPool:
    """Runs idempotent statements: a retry may send one twice."""

    def __init__(self, url: str, command_seconds: float = COMMAND_SECONDS) -> None:
        """`command_seconds` limits one attempt, including the wait for a connection.

        Raises:
            ConfigurationError: `url` is not a PostgreSQL URL; the message does not contain it.
        """
        if not _is_postgres_url(url):
            raise ConfigurationError(
                "the URL of the session store is invalid: "
                "expected postgresql://user[:password]@host[:port]/database[?sslmode=require]"
            )
        self._command_seconds = command_seconds
        self._url = url
        self._opening = asyncio.Lock()
        self._pool: Any = None
        self._closed = False

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """Run a statement and return its rows.

        Raises:
            StoreUnavailable: the last attempt failed; the message names the type of the error.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(_backoff(attempt))
            try:
                pool = self._pool or await self._open()
                # The timeout of `acquire` also limits returning a connection in mid-statement.
                async with (
                    asyncio.timeout(self._command_seconds),
                    pool.acquire(timeout=CONNECT_SECONDS) as connection,
                ):
                    rows: list[Any] = await connection.fetch(statement, *arguments)
                    return rows
            except _TRANSIENT as error:
                if attempt == ATTEMPTS - 1 or isinstance(error, TimeoutError):
                    raise StoreUnavailable(type(error).__name__) from error
            except (asyncpg.PostgresError, ValueError) as error:
                raise StoreUnavailable(type(error).__name__) from error
        raise AssertionError

    @asynccontextmanager
    async def listening(
        self,
        channel: str,
        on_notification: Callable[..., None],
        on_end: Callable[..., None],
    ) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
        """Listen to a channel over a connection of its own, outside of the pool.

        Both are called with arguments of asyncpg; `on_end` when the connection is lost. A server
        that does not know LISTEN, or a pooler that forbids it, notifies nobody.

        Yields a check of the connection, which raises `StoreUnavailable` when the server does not
        answer over it.

        Raises:
            StoreUnavailable: there is no connection.
        """
        try:
            connection = await asyncpg.connect(
                self._url, timeout=CONNECT_SECONDS, server_settings=_SERVER_SETTINGS
            )
        except (*_TRANSIENT, asyncpg.PostgresError, ValueError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        try:
            connection.add_termination_listener(on_end)
            try:
                async with asyncio.timeout(self._command_seconds):
                    await connection.add_listener(channel, on_notification)
            except asyncpg.PostgresError:
                pass
            except (OSError, asyncpg.InterfaceError) as error:
                raise StoreUnavailable(type(error).__name__) from error

            async def check() -> None:
                try:
                    await connection.fetchval("SELECT 1", timeout=CONNECT_SECONDS)
                except (*_TRANSIENT, asyncpg.PostgresError) as error:
                    raise StoreUnavailable(type(error).__name__) from error

            yield check
        finally:
            connection.terminate()

    async def close(self) -> None:
        """Close every connection; statements in progress are cancelled after a timeout."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pool.terminate()

    async def _open(self) -> Any:
        async with self._opening:
            if self._closed:
                raise StoreUnavailable("it is closed")
            if self._pool is None:
                pool = asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=CONNECTIONS,
                    timeout=CONNECT_SECONDS,
                    reset=_no_reset,
                    server_settings=_SERVER_SETTINGS,
                )
                await pool
                try:
                    async with pool.acquire() as connection:
                        async with asyncio.timeout(COMMAND_SECONDS):
                            current = await is_current(connection)
                        if not current:
                            async with asyncio.timeout(MIGRATION_SECONDS):
                                await migrate(connection)
                except BaseException:
                    pool.terminate()
                    raise
                self._pool = pool
            return self._pool


async def _no_reset(_: Any) -> None:
    """Skip the reset of a returned connection: no statement here changes its settings."""


def _backoff(attempt: int) -> float:
    longest = min(_BACKOFF_CAP_SECONDS, _BACKOFF_SECONDS * 2**attempt)
    return random.uniform(0, longest)  # noqa: S311 - jitter


def _is_postgres_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = parts.hostname or "host=" in parts.query
        return parts.scheme in ("postgresql", "postgres") and bool(has_host) and parts.port != 0
    except ValueError:
        return False
