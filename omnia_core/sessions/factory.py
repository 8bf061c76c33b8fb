"""Creates the session store that the environment configures."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from omnia_core.env import FacadeEnv, RuntimeEnv, SecretStr
from omnia_core.env.shared import SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.sessions.retention import EffectsCallback, Retention, ignore_effects
from omnia_core.sessions.store import SessionSettings, SessionStore

_log = structlog.get_logger()


def session_url(env: FacadeEnv | RuntimeEnv) -> str:
    """Return the URL of the session store; of a file, its path.

    Raises:
        ConfigurationError: the variable is missing.
    """
    if env.session_type is SessionType.SQLITE:
        return env.session_path
    if not isinstance(env.session_url, SecretStr):
        raise ConfigurationError(
            f"{env.variable('session_url')}: missing; {env.variable('session_type')}="
            f"{env.session_type} needs the URL of the store"
        )
    return env.session_url.reveal()


def retention_of(env: RuntimeEnv) -> Retention:
    """Return the retention policy in the environment of a runtime."""
    return Retention(
        env.retention_ttl, env.retention_days, env.retention_max_messages, env.retention_dry_run
    )


def open_sessions(
    env: FacadeEnv | RuntimeEnv, on_retention: EffectsCallback = ignore_effects
) -> SessionStore:
    """Return the configured store, which connects when it is first used.

    Args:
        env: the environment; that of a runtime has the retention policy too.
        on_retention: called with what the policy did.

    Raises:
        ConfigurationError: the URL is missing, or does not fit the type of the store.
    """
    runtime = env if isinstance(env, RuntimeEnv) else None
    retention = retention_of(runtime) if runtime else None
    evaluated = runtime is not None and runtime.evals_worker
    # Each store is imported only when it is used: a driver costs up to 10 MB.
    if env.session_type is SessionType.MEMORY:
        from omnia_core.sessions.memory import MemorySessionStore  # noqa: PLC0415 - as above

        return MemorySessionStore(
            env.session_ttl, retention=retention, on_retention=on_retention, evaluated=evaluated
        )
    url = session_url(env)
    settings = SessionSettings(
        ttl=env.session_ttl,
        namespace=env.namespace,
        agent=env.agent_name,
        retention=retention,
        on_retention=on_retention,
        evaluated=evaluated,
    )
    if env.session_type is SessionType.REDIS:
        from omnia_core.sessions.redis.store import RedisSessionStore  # noqa: PLC0415 - as above

        return RedisSessionStore(url, settings)
    if env.session_type is SessionType.SQLITE:
        from omnia_core.sessions.sqlite.store import SqliteSessionStore  # noqa: PLC0415 - as above

        return SqliteSessionStore(Path(url), settings)
    if env.session_type is SessionType.MONGODB:
        from omnia_core.sessions.mongodb.store import MongoSessionStore  # noqa: PLC0415 - as above

        return MongoSessionStore(url, settings)
    from omnia_core.sessions.postgres.store import PostgresSessionStore  # noqa: PLC0415 - as above

    return PostgresSessionStore(url, settings)


class OnDemandSessionStore:
    """The store of a program that rarely needs it: no driver is loaded before the first use."""

    def __init__(self, env: FacadeEnv, create: Callable[[FacadeEnv], SessionStore]) -> None:
        """Create nothing yet; `create` is called in a thread."""
        self._env = env
        self._create = create
        self._store: SessionStore | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> SessionStore:
        """Return the store; the first call creates it.

        Raises:
            ConfigurationError: the URL of the store is invalid.
        """
        async with self._opening:
            if self._store is None:
                # In a thread: importing a driver would block the event loop for too long.
                self._store = await asyncio.to_thread(self._create, self._env)
            return self._store

    async def close(self) -> None:
        """Close the connections; the next `open` creates the store again. A failure is logged."""
        store, self._store = self._store, None
        if store:
            try:
                await store.close()
            except Exception:  # noqa: BLE001 - what was to be written is written
                _log.exception("the session store was not closed")
