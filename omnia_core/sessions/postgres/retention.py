"""The background work of retention in PostgreSQL, as calls of the database functions."""

from typing import Any

from omnia_core.sessions.postgres.pool import PostgresPool
from omnia_core.sessions.sweeping import PAGE_SIZE, RetentionDatabase, RetentionTerms, VisitedPage

_SWEEP = "SELECT * FROM omnia.sweep_sessions($1)"
_RESTAMP = "SELECT * FROM omnia.restamp($1, $2, $3, $4, $5, $6, $7)"
_TRY = "SELECT * FROM omnia.try_retention($1, $2, $3, $4, $5, $6, $7)"


class PostgresRetention(RetentionDatabase):
    """Sweeps the sessions of all agents, and applies the terms of one."""

    def __init__(self, pool: PostgresPool, owner: tuple[str, str], terms: RetentionTerms) -> None:
        """`owner` is namespace and name of the agent."""
        self._pool = pool
        self._owner = owner
        self._terms = terms

    async def sweep(self, batch: int) -> tuple[int, int]:
        ((ended, deleted),) = await self._pool.fetch(_SWEEP, batch)
        return ended, deleted

    async def restamp(self, after: VisitedPage | None) -> VisitedPage:
        return await self._visit(_RESTAMP, after, self._terms.ttl, self._terms.keep)

    async def try_policy(self, after: VisitedPage | None) -> VisitedPage:
        return await self._visit(_TRY, after, self._terms.trial_ttl, self._terms.trial_keep)

    async def _visit(self, statement: str, after: VisitedPage | None, *policy: Any) -> VisitedPage:
        place = (after.begun_at, after.key) if after else (None, 0)
        (row,) = await self._pool.fetch(statement, *self._owner, *policy, *place, PAGE_SIZE)
        return VisitedPage(*row)
