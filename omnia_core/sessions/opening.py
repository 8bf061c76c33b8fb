"""The session store that the environment names."""

from omnia_core.env import FacadeEnv, RuntimeEnv, SecretStr
from omnia_core.env.sessions import SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.sessions.retention import Note, Retention, unnoted
from omnia_core.sessions.store import SessionStore


def session_url(env: FacadeEnv | RuntimeEnv) -> str:
    """Return the URL of a store that has one.

    Raises:
        ConfigurationError: it is missing.
    """
    if not isinstance(env.session_url, SecretStr):
        raise ConfigurationError(
            f"{env.variable('session_url')}: missing; {env.variable('session_type')}="
            f"{env.session_type} needs the URL of the store"
        )
    return env.session_url.reveal()


def retention_of(env: RuntimeEnv) -> Retention:
    """Return the policy that the environment tells."""
    return Retention(
        env.retention_ttl, env.retention_days, env.retention_max_messages, env.retention_dry_run
    )


def open_sessions(env: FacadeEnv | RuntimeEnv, note: Note = unnoted) -> SessionStore:
    """Return the store, which connects when it is first used.

    Args:
        env: says which one; that of a runtime also the retention policy.
        note: counts what the policy does.

    Raises:
        ConfigurationError: its URL is missing, or is of another store.
    """
    retention = retention_of(env) if isinstance(env, RuntimeEnv) else None
    # Imported here, as each driver is: up to 10 MB that only those pay for who use it.
    if env.session_type is SessionType.MEMORY:
        from omnia_core.sessions.memory import MemorySessionStore  # noqa: PLC0415 - as above

        return MemorySessionStore(env.session_ttl, retention=retention, note=note)
    url = session_url(env)
    namespace, agent, ttl = env.namespace, env.agent_name, env.session_ttl
    if env.session_type is SessionType.REDIS:
        from omnia_core.sessions.redis import RedisSessionStore  # noqa: PLC0415 - as above

        return RedisSessionStore(
            url, ttl, namespace=namespace, agent=agent, retention=retention, note=note
        )
    from omnia_core.sessions.postgres import PostgresSessionStore  # noqa: PLC0415 - as above

    return PostgresSessionStore(
        url, ttl, namespace=namespace, agent=agent, retention=retention, note=note
    )
