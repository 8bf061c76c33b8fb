"""Replies in PostgreSQL, in the tables of the sessions' database (`omnia_core/sessions`)."""

from datetime import timedelta

from omnia_core.sessions.postgres.pool import PostgresPool
from omnia_core.sessions.sweeping import SWEEP_BATCH, SWEEP_SECONDS, BatchTask
from omnia_facade.idempotency.store import ExistingClaim, ReplyStore

_CLAIM = "SELECT * FROM omnia.claim_reply($1, $2, $3, $4, $5, $6)"
_FIND = (
    "SELECT fingerprint, reply FROM omnia.replies WHERE namespace = $1 AND agent = $2"
    " AND scope = $3 AND expires_at > clock_timestamp()"
)
_KEEP = "SELECT omnia.keep_reply($1, $2, $3, $4, $5, $6)"
_RELEASE = "SELECT omnia.release_reply($1, $2, $3, $4)"
_SWEEP = "SELECT omnia.sweep_replies($1)"


class PostgresReplyStore(ReplyStore):
    """Keeps replies in the schema `omnia`, which it creates if necessary.

    Expired replies are deleted in the background after claims: one batch a minute, or one with
    each claim while batches are full.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        agent: str,
        sweep_seconds: float = SWEEP_SECONDS,
        sweep_batch: int = SWEEP_BATCH,
    ) -> None:
        """Connect at the first use.

        Raises:
            ConfigurationError: `url` is not a PostgreSQL URL; the message does not show it.
        """
        self._pool = PostgresPool(url)
        self._owner = (namespace, agent)
        self._batch = sweep_batch
        self._sweep = BatchTask(self._delete_expired, seconds=sweep_seconds)

    async def claim(
        self, scope: bytes, fingerprint: bytes, holder: str, *, lease_seconds: float
    ) -> ExistingClaim | None:
        lease = timedelta(seconds=lease_seconds)
        rows = await self._pool.fetch(_CLAIM, *self._owner, scope, fingerprint, holder, lease)
        self._sweep.start_when_due()
        return ExistingClaim(*rows[0]) if rows else None

    async def find(self, scope: bytes) -> ExistingClaim | None:
        rows = await self._pool.fetch(_FIND, *self._owner, scope)
        return ExistingClaim(*rows[0]) if rows else None

    async def keep(self, scope: bytes, holder: str, reply: bytes, *, ttl_seconds: float) -> None:
        ttl = timedelta(seconds=ttl_seconds)
        await self._pool.fetch(_KEEP, *self._owner, scope, holder, reply, ttl)

    async def release(self, scope: bytes, holder: str) -> None:
        await self._pool.fetch(_RELEASE, *self._owner, scope, holder)

    async def close(self) -> None:
        await self._sweep.close()
        await self._pool.close()

    async def _delete_expired(self) -> bool:
        ((deleted,),) = await self._pool.fetch(_SWEEP, self._batch)
        return bool(deleted == self._batch)
