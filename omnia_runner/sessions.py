"""The sessions of a runner, in any store."""

import uuid
from pathlib import Path
from urllib.parse import urlsplit

from omnia_core.errors import ConfigurationError
from omnia_core.sessions import Message, SessionSettings, SessionStore
from omnia_core.units import Duration

DEFAULT_TTL = "24h"
DEFAULT_NAME, DEFAULT_NAMESPACE = "runner", "default"
_EXPECTED = "expected memory:, sqlite:PATH, redis://…, rediss://…, postgresql://… or mongodb://…"


class SessionManager:
    """One session of one user in a store."""

    def __init__(
        self, store: SessionStore, *, session_id: str | None = None, user: str = ""
    ) -> None:
        """Name the session; nothing is read yet.

        Args:
            store: where it is kept. All sessions of a program share one store.
            session_id: of a session that goes on, or of a new one; None: a new one.
            user: who speaks; "" when anonymous. A session of a user is closed to others.
        """
        self.store = store
        self.session_id = session_id or str(uuid.uuid4())
        self.user = user

    async def messages(self) -> list[Message]:
        """Return the messages that are kept, those of an interrupted turn included."""
        session = await self.store.load(self.session_id)
        if session is None or not session.open_to(self.user):
            return []
        return [*session.messages, *session.interrupted]


def open_store(
    url: str,
    *,
    ttl: str = DEFAULT_TTL,
    name: str = DEFAULT_NAME,
    namespace: str = DEFAULT_NAMESPACE,
) -> SessionStore:
    """Return a session store, which connects when it is first used.

    Args:
        url: `memory:`, `sqlite:PATH` for a file, or the URL of a Redis, PostgreSQL or MongoDB
            server.
        ttl: how long a session is kept after its last use, such as `24h`.
        name: with `namespace`, whose sessions these are: programs of the same name share them. A
            deployed agent keeps its sessions under its own name and namespace.
        namespace: as above.

    Raises:
        ConfigurationError: the URL or the duration is invalid.
    """
    try:
        keep = Duration.parse(ttl)
    except ValueError as error:
        raise ConfigurationError(f"ttl: {error}") from error
    settings = SessionSettings(ttl=keep, namespace=namespace, agent=name)
    # Each store is imported only when it is used.
    match urlsplit(url).scheme:
        case "memory":
            from omnia_core.sessions.memory import MemorySessionStore  # noqa: PLC0415 - as above

            return MemorySessionStore(keep)
        case "sqlite":
            from omnia_core.sessions.sqlite.store import (  # noqa: PLC0415 - as above
                SqliteSessionStore,
            )

            path = url.partition(":")[2].removeprefix("//")
            if not path:
                raise ConfigurationError("the URL of the session store: expected sqlite:PATH")
            return SqliteSessionStore(Path(path), settings)
        case "mongodb" | "mongodb+srv":
            from omnia_core.sessions.mongodb.store import (  # noqa: PLC0415 - as above
                MongoSessionStore,
            )

            return MongoSessionStore(url, settings)
        case "redis" | "rediss":
            from omnia_core.sessions.redis.store import RedisSessionStore  # noqa: PLC0415 - as above

            return RedisSessionStore(url, settings)
        case "postgres" | "postgresql":
            from omnia_core.sessions.postgres.store import (  # noqa: PLC0415 - as above
                PostgresSessionStore,
            )

            return PostgresSessionStore(url, settings)
        case scheme:
            raise ConfigurationError(
                f'the URL of the session store: {_EXPECTED}, found "{scheme}:"'
            )
