"""Runs queries on the SQLite file of the sessions over a read-only connection."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from omnia_core.sessions.latency import BUCKETS
from omnia_core.sessions.sqlite.connection import explain
from omnia_core.sessions.sqlite.migrations import (
    UnknownFile,
    check_version,
    migrations,
    schema_version,
)
from omnia_core.sessions.sqlite.moments import moment
from omnia_history.database import (
    QUERY_TIMEOUT_SECONDS,
    invalid_value,
    no_sessions,
    too_late,
)
from omnia_history.queries import Dialect, Query, for_older_schema
from omnia_history.refusals import Refused
from omnia_history.sql import SqlDatabase

_BUSY_SECONDS = 2.0
# SQLite has no arrays: `buckets` is a JSON array.
_SUMS = ", ".join(f"sum(json_extract(buckets, '$[{index}]'))" for index in range(BUCKETS))
_HAS_MATCH = (
    "(SELECT true FROM omnia.messages WHERE messages.session = sessions.key"
    " AND messages.role IN ('user', 'assistant') AND said(messages.record, {}) LIMIT 1)"
)


class _Content(Struct):
    content: str = ""


_decoder = msgspec.json.Decoder(_Content)


def said(record: str, text: str) -> bool:
    """Whether a text is in the content of a message, in upper or lower case."""
    return text.casefold() in _decoder.decode(record).content.casefold()


def _has(name: str, text: str) -> bool:
    """Whether a text is in a name, in upper or lower case."""
    return text.casefold() in name.casefold()


# Columns whose values SQLite has no type for.
_TYPES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            *("begun_at", "active_at", "expires_at", "kept_until", "first_begun_at"),
            *("created_at", "began_at", "at"),
        ),
        datetime.fromisoformat,
    ),
    **dict.fromkeys(("ended", "passed"), bool),
    "buckets": json.loads,
}


class SqliteDatabase(SqlDatabase):
    """One connection, in a thread of its own, opened by the first query."""

    dialect: ClassVar = Dialect(
        bucket_sums=f"json_array({_SUMS})",
        has_match=lambda text: (_HAS_MATCH, (text,)),
        has_name=lambda text: ("has(name, {})", (text,)),
    )

    def __init__(self, path: str, query_seconds: float = QUERY_TIMEOUT_SECONDS) -> None:
        """Open nothing yet. `query_seconds` is the time limit of a query."""
        self._path = Path(path)
        self._query_seconds = query_seconds
        self._newest = migrations()[-1].number
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")

    async def fetch(self, query: Query) -> Sequence[Mapping[str, Any]]:
        running = asyncio.get_running_loop().run_in_executor(self._thread, self._fetch, query)
        ended, _ = await asyncio.wait({running}, timeout=self._query_seconds)
        if not ended:
            running.cancel()
            if self._connection:
                self._connection.interrupt()
            raise too_late(self._query_seconds)
        try:
            return running.result()
        except (sqlite3.Error, OSError, UnknownFile) as error:
            raise Refused(
                "unavailable", f"the file of the sessions cannot be read: {explain(error)}"
            ) from error
        except (OverflowError, UnicodeError) as error:
            raise invalid_value() from error

    async def close(self) -> None:
        if self._connection:
            self._connection.interrupt()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)

    def _fetch(self, query: Query) -> Sequence[Mapping[str, Any]]:
        statement, arguments = query
        if any(isinstance(value, str) and "\0" in value for value in arguments):
            raise invalid_value()
        if not self._path.exists():
            raise no_sessions()
        values = {str(number): _value(value) for number, value in enumerate(arguments, 1)}
        try:
            connection = self._connected()
            if schema_version(connection, "omnia") < self._newest:
                statement = for_older_schema(statement)
            cursor = connection.execute(statement, values)
            columns = [(name, _TYPES.get(name)) for name, *_ in cursor.description]
            return [_row(columns, row) for row in cursor]
        except sqlite3.Error:
            # The file may have been replaced; the next query opens it anew.
            self._disconnect()
            raise

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            # Attached under the name that the schema has in PostgreSQL: the queries are the same.
            opened = sqlite3.connect(":memory:", uri=True, check_same_thread=False)
            try:
                opened.execute(f"PRAGMA busy_timeout = {round(_BUSY_SECONDS * 1000)}")
                opened.execute("ATTACH ? AS omnia", (f"{self._path.as_uri()}?mode=rw",))
                opened.execute("PRAGMA query_only = ON")
                _check_tables(opened)
                opened.create_function("now", 0, lambda: moment(datetime.now(UTC)))
                opened.create_function("said", 2, said, deterministic=True)
                opened.create_function("has", 2, _has, deterministic=True)
            except BaseException:
                opened.close()
                raise
            self._connection = opened
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _check_tables(connection: sqlite3.Connection) -> None:
    if check_version(connection, "omnia") == 0:
        raise no_sessions()


def _value(value: Any) -> Any:
    match value:
        case datetime():
            return moment(value)
        case date():
            return value.isoformat()
        case _:
            return value


def _row(
    columns: Sequence[tuple[str, Callable[[Any], Any] | None]], row: Sequence[Any]
) -> Mapping[str, Any]:
    return {
        name: value if convert is None or value is None else convert(value)
        for (name, convert), value in zip(columns, row, strict=True)
    }
