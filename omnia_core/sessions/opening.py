"""The session store that the environment names."""

from omnia_core.env import FacadeEnv, RuntimeEnv, SecretStr
from omnia_core.env.sessions import SessionType
from omnia_core.errors import ConfigurationError
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


def open_sessions(env: FacadeEnv | RuntimeEnv) -> SessionStore:
    """Return the store, which connects when it is first used.

    Raises:
        ConfigurationError: its URL is missing, or is of another store.
    """
    # Imported here, as each driver is: up to 10 MB that only those pay for who use it.
    if env.session_type is SessionType.MEMORY:
        from omnia_core.sessions.memory import MemorySessionStore  # noqa: PLC0415 - as above

        return MemorySessionStore(env.session_ttl)
    url = session_url(env)
    if env.session_type is SessionType.REDIS:
        from omnia_core.sessions.redis import RedisSessionStore  # noqa: PLC0415 - as above

        return RedisSessionStore(
            url, env.session_ttl, namespace=env.namespace, agent=env.agent_name
        )
    from omnia_core.sessions.postgres import PostgresSessionStore  # noqa: PLC0415 - as above

    return PostgresSessionStore(url, env.session_ttl, namespace=env.namespace, agent=env.agent_name)
