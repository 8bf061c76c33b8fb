"""Opens the store of replies that the environment names."""

from pathlib import Path

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.sessions import StoreUnavailable
from omnia_core.sessions.factory import session_url
from omnia_facade.idempotency.memory import MemoryReplyStore
from omnia_facade.idempotency.store import ExistingClaim, ReplyStore


def open_reply_store(env: FacadeEnv) -> ReplyStore:
    """Return the store, which is in the database of the sessions.

    Raises:
        ConfigurationError: the URL of the database is missing.
    """
    if env.session_type is SessionType.MEMORY:
        return MemoryReplyStore()
    return _LazyReplyStore(env, session_url(env))


class _LazyReplyStore(ReplyStore):
    """Loads the driver for the first key: most callers send none."""

    def __init__(self, env: FacadeEnv, url: str) -> None:
        self._env = env
        self._url = url
        self._store: ReplyStore | None = None

    async def claim(
        self, scope: bytes, fingerprint: bytes, holder: str, *, lease_seconds: float
    ) -> ExistingClaim | None:
        return await self._opened().claim(scope, fingerprint, holder, lease_seconds=lease_seconds)

    async def find(self, scope: bytes) -> ExistingClaim | None:
        return await self._opened().find(scope)

    async def keep(self, scope: bytes, holder: str, reply: bytes, *, ttl_seconds: float) -> None:
        await self._opened().keep(scope, holder, reply, ttl_seconds=ttl_seconds)

    async def release(self, scope: bytes, holder: str) -> None:
        await self._opened().release(scope, holder)

    async def close(self) -> None:
        if self._store:
            await self._store.close()

    def _opened(self) -> ReplyStore:
        if self._store is None:
            try:
                self._store = _open(self._env, self._url)
            except ConfigurationError as error:
                raise StoreUnavailable(error.message) from error
        return self._store


def _open(env: FacadeEnv, url: str) -> ReplyStore:
    # Local imports: each driver costs 10 MB.
    if env.session_type is SessionType.REDIS:
        from omnia_facade.idempotency.redis import RedisReplyStore  # noqa: PLC0415 - as above

        return RedisReplyStore(url, namespace=env.namespace, agent=env.agent_name)
    if env.session_type is SessionType.SQLITE:
        from omnia_facade.idempotency.sqlite import SqliteReplyStore  # noqa: PLC0415 - as above

        return SqliteReplyStore(Path(url), namespace=env.namespace, agent=env.agent_name)
    if env.session_type is SessionType.MONGODB:
        from omnia_facade.idempotency.mongodb import MongoReplyStore  # noqa: PLC0415 - as above

        return MongoReplyStore(url, namespace=env.namespace, agent=env.agent_name)
    from omnia_facade.idempotency.postgres import PostgresReplyStore  # noqa: PLC0415 - as above

    return PostgresReplyStore(url, namespace=env.namespace, agent=env.agent_name)
