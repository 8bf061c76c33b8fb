"""The database, read only."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from omnia_core.errors import ConfigurationError
from omnia_history.queries import Query
from omnia_history.refusals import Refused

CONNECTIONS = 4
COMMAND_SECONDS = 5.0
_CONNECT_SECONDS = 2.0


class Database:
    """Answers queries; connects when the first one comes."""

    def __init__(self, url: str, seconds: float = COMMAND_SECONDS) -> None:
        """Take the URL, and how long a query may take.

        Raises:
            ConfigurationError: the URL is none of PostgreSQL.
        """
        if not url.startswith(("postgresql://", "postgres://")):
            raise ConfigurationError(
                "the URL of the history is not usable: "
                "expected postgresql://user[:password]@host[:port]/database[?sslmode=require]; "
                "sessions in Redis or in memory have no history"
            )
        self._url = url
        self._seconds = seconds
        self._pool: Any = None
        self._opening = asyncio.Lock()

    async def fetch(self, query: Query) -> Sequence[Mapping[str, Any]]:
        """Return the rows.

        Raises:
            Refused: the database cannot answer, or has no place for a value of the query.
        """
        statement, arguments = query
        asked = False
        try:
            async with asyncio.timeout(self._seconds + _CONNECT_SECONDS):
                pool = await self._opened()
                async with pool.acquire() as connection:
                    asked = True
                    rows: list[Mapping[str, Any]] = await connection.fetch(statement, *arguments)
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            raise Refused(
                "unavailable",
                "no agent of this version has stored a session in the database yet",
            ) from error
        except asyncpg.DataError as error:
            raise Refused(
                "invalid_request",
                "a value cannot be looked up: expected text without the character NUL, and the"
                " cursor as an answer gave it",
            ) from error
        except TimeoutError as error:
            detail = f"the database did not answer within {self._seconds:g} s"
            if not asked:
                raise Refused("unavailable", detail) from error
            raise Refused(
                "timeout", f"{detail}: ask for less of it, by agent, from, to or limit"
            ) from error
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Refused(
                "unavailable", f"the database cannot be reached: {type(error).__name__}"
            ) from error
        return rows

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            self._pool.terminate()

    async def _opened(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=CONNECTIONS,
                    timeout=_CONNECT_SECONDS,
                    command_timeout=self._seconds,
                    server_settings={
                        "application_name": "omnia-history",
                        "default_transaction_read_only": "on",
                    },
                )
            return self._pool
