"""Runs queries on PostgreSQL over read-only connections."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from omnia_core.errors import ConfigurationError
from omnia_history.queries import Query
from omnia_history.refusals import Refused

MAX_CONNECTIONS = 4
QUERY_TIMEOUT_SECONDS = 5.0
_CONNECT_TIMEOUT_SECONDS = 2.0


class Database:
    """A pool of read-only connections, opened by the first query."""

    def __init__(self, url: str, query_seconds: float = QUERY_TIMEOUT_SECONDS) -> None:
        """Create the pool without connecting. `query_seconds` is the time limit of a query.

        Raises:
            ConfigurationError: the URL is not one of PostgreSQL.
        """
        if not url.startswith(("postgresql://", "postgres://")):
            raise ConfigurationError(
                "the database URL of the history is invalid: "
                "expected postgresql://user[:password]@host[:port]/database[?sslmode=require]; "
                "agents that store sessions in Redis or in memory have no history"
            )
        self._url = url
        self._query_seconds = query_seconds
        self._pool: Any = None
        self._open_lock = asyncio.Lock()

    async def fetch(self, query: Query) -> Sequence[Mapping[str, Any]]:
        """Run a query and return its rows.

        Raises:
            Refused: the database does not answer, or does not accept an argument of the query.
        """
        statement, arguments = query
        query_sent = False
        try:
            async with asyncio.timeout(self._query_seconds + _CONNECT_TIMEOUT_SECONDS):
                pool = await self._open_pool()
                async with pool.acquire() as connection:
                    query_sent = True
                    rows: list[Mapping[str, Any]] = await connection.fetch(statement, *arguments)
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            raise Refused(
                "unavailable",
                "the database has no sessions of this version: no agent has stored one yet",
            ) from error
        except asyncpg.DataError as error:
            raise Refused(
                "invalid_request",
                "the database does not accept a value of the request: expected text without the"
                " character NUL, and a cursor as an answer returned it",
            ) from error
        except TimeoutError as error:
            detail = f"the database did not answer within {self._query_seconds:g} s"
            if not query_sent:
                raise Refused("unavailable", detail) from error
            raise Refused(
                "timeout", f"{detail}: request less, with agent, from, to or a lower limit"
            ) from error
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Refused(
                "unavailable", f"the database cannot be reached: {type(error).__name__}"
            ) from error
        return rows

    async def close(self) -> None:
        """Terminate every connection without waiting for running queries."""
        if self._pool is not None:
            self._pool.terminate()

    async def _open_pool(self) -> Any:
        async with self._open_lock:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=MAX_CONNECTIONS,
                    timeout=_CONNECT_TIMEOUT_SECONDS,
                    command_timeout=self._query_seconds,
                    server_settings={
                        "application_name": "omnia-history",
                        "default_transaction_read_only": "on",
                    },
                )
            return self._pool
