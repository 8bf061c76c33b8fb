"""Runs queries on PostgreSQL over read-only connections."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import asyncpg  # type: ignore[import-untyped]
import msgspec

from omnia_core.sessions.latency import BUCKETS
from omnia_history.database import (
    QUERY_TIMEOUT_SECONDS,
    invalid_value,
    no_sessions,
    too_late,
)
from omnia_history.queries import Dialect, Query, for_older_schema
from omnia_history.refusals import Refused
from omnia_history.sql import SqlDatabase

MAX_CONNECTIONS = 4
_CONNECT_TIMEOUT_SECONDS = 2.0


# A record is JSON. Matching its raw text first is cheap and leaves few records to parse. The
# pattern has the same JSON escapes, but the raw text includes other fields, so the parsed content
# must match too. The type `json` accepts every stored text, but extracting a NUL from it is an
# error, so NUL is replaced.
_RAW = "convert_from(messages.record, 'UTF8')"
_CONTENT = (
    f"(regexp_replace({_RAW}, '(?<!\\\\)((?:\\\\\\\\)*)\\\\u0000', '\\1\\\\ufffd', 'g')"
    "::json->>'content')"
)
# Not EXISTS: PostgreSQL may plan it as a scan of all messages.
_HAS_MATCH = (
    "(SELECT true FROM omnia.messages WHERE messages.session = sessions.key"  # noqa: S608 - constants
    " AND messages.role IN ('user', 'assistant')"
    f" AND CASE WHEN {_RAW} ILIKE {{}} THEN {_CONTENT} ILIKE {{}} ELSE false END LIMIT 1)"
)
_SUMS = ", ".join(f"sum(buckets[{index + 1}])" for index in range(BUCKETS))


class PostgresDatabase(SqlDatabase):
    """A pool of read-only connections, opened by the first query."""

    dialect: ClassVar = Dialect(
        bucket_sums=f"ARRAY[{_SUMS}]",
        has_match=lambda text: (_HAS_MATCH, _patterns(text)),
        has_name=lambda text: ("name ILIKE {}", (f"%{_literal(text)}%",)),
    )

    def __init__(self, url: str, query_seconds: float = QUERY_TIMEOUT_SECONDS) -> None:
        """Create the pool without connecting. `query_seconds` is the time limit of a query."""
        self._url = url
        self._query_seconds = query_seconds
        self._pool: Any = None
        self._open_lock = asyncio.Lock()

    async def fetch(self, query: Query) -> Sequence[Mapping[str, Any]]:
        statement, arguments = query
        query_sent = False
        try:
            async with asyncio.timeout(self._query_seconds + _CONNECT_TIMEOUT_SECONDS):
                pool = await self._open_pool()
                async with pool.acquire() as connection:
                    query_sent = True
                    rows = await _rows(connection, statement, arguments)
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            raise no_sessions() from error
        except asyncpg.DataError as error:
            raise invalid_value() from error
        except TimeoutError as error:
            if not query_sent:
                raise Refused(
                    "unavailable",
                    f"the database did not answer within {self._query_seconds:g} s",
                ) from error
            raise too_late(self._query_seconds) from error
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Refused(
                "unavailable", f"the database cannot be reached: {type(error).__name__}"
            ) from error
        return rows

    async def close(self) -> None:
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


async def _rows(
    connection: asyncpg.Connection, statement: str, arguments: Sequence[Any]
) -> list[Mapping[str, Any]]:
    try:
        rows: list[Mapping[str, Any]] = await connection.fetch(statement, *arguments)
    except asyncpg.UndefinedColumnError:
        rows = await connection.fetch(for_older_schema(statement), *arguments)
    return rows


def _patterns(text: str) -> tuple[str, str]:
    """Return the ILIKE patterns for the raw text of a record and for its content."""
    escaped = msgspec.json.encode(text).decode()[1:-1]
    return f"%{_literal(escaped)}%", f"%{_literal(text)}%"


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
