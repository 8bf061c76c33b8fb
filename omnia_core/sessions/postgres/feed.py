"""The feed of evaluations in PostgreSQL."""

import uuid
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from omnia_core.sessions.escaping import escape_nul, unescape_nul
from omnia_core.sessions.feed import CLAIM_SECONDS, DueSession, FeedBacklog, Progress, SessionFeed
from omnia_core.sessions.postgres.pool import PostgresPool

# Notes an append of `omnia.append_turn`, whose parameters come first, in the same transaction.
# Then: whether it has an answer, and when a session without one is due.
APPENDED = """
WITH appended AS MATERIALIZED (SELECT * FROM omnia.append_turn({parameters})), noted AS (
    INSERT INTO omnia.eval_feed AS f (namespace, agent, session, due_at, active_at)
    SELECT $1, $2, $3, clock_timestamp() + CASE WHEN $17 THEN interval '0' ELSE $18::interval END,
        clock_timestamp()
    FROM appended WHERE appended.appended
    ON CONFLICT (namespace, agent, session) DO UPDATE SET
        active_at = excluded.active_at, version = f.version + 1,
        due_at = CASE WHEN f.held THEN f.due_at ELSE least(f.due_at, excluded.due_at) END
)
SELECT * FROM appended
"""
# A claim that is sent again because its answer was lost finds the sessions it has claimed.
_CLAIM = """
UPDATE omnia.eval_feed SET claim = $3, claimed_until = clock_timestamp() + $4::interval
WHERE (namespace, agent, session) IN (
    SELECT namespace, agent, session FROM omnia.eval_feed
    WHERE namespace = $1 AND agent = $2 AND due_at <= clock_timestamp()
        AND (claimed_until <= clock_timestamp() OR claim = $3)
    ORDER BY due_at FOR UPDATE SKIP LOCKED LIMIT $5
)
RETURNING session, progress, extract(epoch FROM clock_timestamp() - active_at)::float8, version
"""
_ITS = "namespace = $1 AND agent = $2 AND session = $3 AND claim = $4"
_RENEW = f"""
UPDATE omnia.eval_feed SET claimed_until = clock_timestamp() + $5::interval WHERE {_ITS}
"""  # noqa: S608 - constants
_DONE = f"""
UPDATE omnia.eval_feed SET
    claim = '', claimed_until = '-infinity', progress = $6, held = $8,
    due_at = CASE WHEN version = $5 OR $8 THEN clock_timestamp() + $7::interval ELSE due_at END
WHERE {_ITS}
"""  # noqa: S608 - constants
_FORGET = f"""
WITH gone AS (DELETE FROM omnia.eval_feed WHERE {_ITS} AND version = $5)
UPDATE omnia.eval_feed SET claim = '', claimed_until = '-infinity' WHERE {_ITS} AND version <> $5
"""  # noqa: S608 - constants
_BACKLOG = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(due_at))::float8, 0)
FROM omnia.eval_feed WHERE namespace = $1 AND agent = $2 AND due_at <= clock_timestamp()
"""
_SPEND = """
WITH forgotten AS (DELETE FROM omnia.eval_spend WHERE namespace = $1 AND agent = $2 AND day < $3)
INSERT INTO omnia.eval_spend AS s VALUES ($1, $2, $3, $4)
ON CONFLICT (namespace, agent, day) DO UPDATE SET usd = s.usd + excluded.usd
RETURNING usd
"""


class PostgresFeed(SessionFeed):
    """The feed of an agent, over the pool of its session store."""

    def __init__(self, pool: PostgresPool, owner: tuple[str, str]) -> None:
        self._pool = pool
        self._owner = owner

    async def claim(self, limit: int, seconds: float = CLAIM_SECONDS) -> Sequence[DueSession]:
        claim = uuid.uuid4().hex
        time = timedelta(seconds=seconds)
        rows = await self._pool.fetch(_CLAIM, *self._owner, claim, time, limit)
        return [
            DueSession(
                unescape_nul(session),
                msgspec.json.decode(progress, type=Progress),
                idle,
                version,
                claim,
            )
            for session, progress, idle, version in rows
        ]

    async def renew(self, due: DueSession, seconds: float = CLAIM_SECONDS) -> None:
        await self._pool.fetch(_RENEW, *self._its(due), timedelta(seconds=seconds))

    async def done(
        self, due: DueSession, progress: Progress, again: float, *, held: bool = False
    ) -> None:
        await self._pool.fetch(
            _DONE,
            *self._its(due),
            due.version,
            msgspec.json.encode(progress).decode(),
            timedelta(seconds=again),
            held,
        )

    async def forget(self, due: DueSession) -> None:
        await self._pool.fetch(_FORGET, *self._its(due), due.version)

    async def backlog(self) -> FeedBacklog:
        ((sessions, oldest),) = await self._pool.fetch(_BACKLOG, *self._owner)
        return FeedBacklog(sessions, oldest)

    async def spend(self, day: str, usd: float) -> float:
        ((total,),) = await self._pool.fetch(_SPEND, *self._owner, day, usd)
        return float(total)

    def _its(self, due: DueSession) -> tuple[str, str, str, str]:
        return (*self._owner, escape_nul(due.session_id), due.claim)
