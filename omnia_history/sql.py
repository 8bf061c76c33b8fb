"""The databases that are asked in SQL."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from omnia_core.sessions.first_message import recorded_first_words
from omnia_history import queries, search
from omnia_history.database import Database, Row, Rows, invalid_value
from omnia_history.filters import (
    AggregateFilter,
    EvalFilter,
    Page,
    PieceSize,
    SessionFilter,
    SessionPosition,
    TurnPage,
    UserFilter,
)
from omnia_history.queries import Dialect, Query


class SqlDatabase(Database):
    """Answers by statements that are the same in every database, but for a dialect.

    Attributes:
        dialect: the parts of a statement that are not the same.
    """

    dialect: ClassVar[Dialect]

    async def fetch(self, query: Query) -> Sequence[Mapping[str, Any]]:
        """Run a query and return its rows.

        Raises:
            Refused: the database does not answer, or does not accept an argument of the query.
        """
        raise NotImplementedError

    async def sessions(self, namespace: str, criteria: SessionFilter) -> Rows:
        _check(criteria)
        return await self._sessions(queries.sessions(namespace, criteria, self.dialect))

    async def search(
        self, namespace: str, criteria: SessionFilter, size: PieceSize
    ) -> tuple[Rows, SessionPosition | None]:
        _check(criteria)
        end = await self.fetch(search.last_of_piece(namespace, criteria, size, self.dialect))
        if not end:
            return [], None
        last = SessionPosition(end[0]["begun_at"], end[0]["key"])
        rows = await self._sessions(search.sessions(namespace, criteria, last, self.dialect))
        return rows, last if end[0]["more"] else None

    async def session_sums(self, namespace: str, criteria: SessionFilter) -> Row:
        return (await self.fetch(queries.session_sums(namespace, criteria, self.dialect)))[0]

    async def users(self, namespace: str, criteria: UserFilter) -> Rows:
        return await self.fetch(queries.users(namespace, criteria))

    async def session(self, namespace: str, session_id: str, page: Page) -> Row | None:
        rows = await self._sessions(queries.session(namespace, session_id, page))
        return rows[0] if rows else None

    async def records(self, kind: str, key: Any, page: Page) -> Rows:
        return await self.fetch(queries.records(kind, key, page))

    async def turn_records(self, key: Any, page: TurnPage) -> Mapping[str, Rows]:
        return {
            kind: await self.fetch(queries.turn_records(kind, key, page))
            for kind in queries.RECORDS
        }

    async def calls(self, namespace: str, criteria: AggregateFilter) -> Rows:
        return await self.fetch(queries.calls(namespace, criteria, self.dialect))

    async def turns(self, namespace: str, criteria: AggregateFilter) -> Rows:
        return await self.fetch(queries.turns(namespace, criteria, self.dialect))

    async def evals(self, namespace: str, criteria: EvalFilter) -> Rows:
        return await self.fetch(queries.evals(namespace, criteria))

    async def _sessions(self, query: Query) -> Rows:
        """Run a query of sessions and return their rows with the first words of each."""
        return [
            {**row, "first_message": recorded_first_words(row["first_record"])}
            for row in await self.fetch(query)
        ]


def _check(criteria: SessionFilter) -> None:
    if criteria.after and not isinstance(criteria.after.key, int):
        raise invalid_value()
