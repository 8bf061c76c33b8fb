"""What users may do with sessions of their own, in PostgreSQL."""

from omnia_core.sessions.audit import EventKind
from omnia_core.sessions.escaping import escape_nul, replace_nul, unescape_nul
from omnia_core.sessions.first_message import RECORD_PREFIX, recorded_first_words
from omnia_core.sessions.own import ListedSession, ListPlace, OwnSessions
from omnia_core.sessions.postgres.pool import PostgresPool

_OPEN = "namespace = $1 AND agent = $2 AND id = $3 AND NOT ended AND expires_at > clock_timestamp()"
_NAME = f"""
UPDATE omnia.sessions SET name = $4, name_given = true WHERE {_OPEN} RETURNING true
"""  # noqa: S608 - constants
# A policy keeps those whose time is longer than their time to live.
_END = f"""
WITH found AS (
    SELECT key, turns, coalesce(kept_until > expires_at, false) AS kept FROM omnia.sessions
    WHERE {_OPEN} FOR UPDATE
), closed AS (
    UPDATE omnia.sessions SET ended = true, expires_at = clock_timestamp(), checkpoint = NULL
    WHERE key IN (SELECT key FROM found WHERE kept)
), noted AS (
    INSERT INTO omnia.runtime_events (session, turn, at, kind, detail)
    SELECT key, turns, clock_timestamp(), '{EventKind.SESSION_DELETED}', '' FROM found WHERE kept
), gone AS (
    DELETE FROM omnia.sessions WHERE key IN (SELECT key FROM found WHERE NOT kept)
)
SELECT true FROM found
"""  # noqa: S608 - constants
# The index of users has those with a name only.
_LIST = f"""
SELECT id, name, begun_at, active_at, expires_at, turns, status,
    input_tokens + output_tokens AS tokens, cost_usd,
    (SELECT substr(record, 1, {RECORD_PREFIX}) FROM omnia.messages
        WHERE session = key AND role = 'user' AND first_position = 0
        ORDER BY position LIMIT 1) AS first_record
FROM omnia.sessions
WHERE namespace = $1 AND agent = $2 AND user_id = $3 AND {{known}} AND tag = 'agent' AND NOT ended
    AND expires_at > clock_timestamp() AND (begun_at, id) < ($4, $5)
ORDER BY begun_at DESC, id DESC LIMIT $6
"""  # noqa: S608 - constants
_LISTS = {True: _LIST.format(known="user_id <> ''"), False: _LIST.format(known="user_id = ''")}


class PostgresOwnSessions(OwnSessions):
    """The sessions of one agent."""

    def __init__(self, pool: PostgresPool, owner: tuple[str, str]) -> None:
        """`owner` is namespace and name of the agent."""
        self._pool = pool
        self._owner = owner

    async def give_name(self, session_id: str, name: str) -> bool:
        named = (*self._owner, escape_nul(session_id), replace_nul(name))
        return bool(await self._pool.fetch(_NAME, *named))

    async def end(self, session_id: str) -> bool:
        return bool(await self._pool.fetch(_END, *self._owner, escape_nul(session_id)))

    async def of_user(self, user_id: str, limit: int, after: ListPlace) -> list[ListedSession]:
        found = await self._pool.fetch(
            _LISTS[bool(user_id)],
            *self._owner,
            escape_nul(user_id),
            after.begun_at,
            escape_nul(after.session_id),
            limit,
        )
        return [
            ListedSession(
                id=unescape_nul(row["id"]),
                name=row["name"],
                begun_at=row["begun_at"],
                active_at=row["active_at"],
                ends_at=row["expires_at"],
                turns=row["turns"],
                status=row["status"],
                tokens=row["tokens"],
                cost_usd=row["cost_usd"],
                first_message=recorded_first_words(row["first_record"]),
            )
            for row in found
        ]
