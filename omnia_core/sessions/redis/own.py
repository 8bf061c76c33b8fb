"""What users may do with sessions of their own, in Redis, where there is no index to list them."""

from collections.abc import Callable, Sequence

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from omnia_core.sessions.own import ListedSession, ListPlace, OwnSessions
from omnia_core.sessions.redis.scripts import END, GIVE_NAME
from omnia_core.sessions.store import StoreUnavailable


class RedisOwnSessions(OwnSessions):
    """The sessions of one agent."""

    lists = False

    def __init__(self, redis: Redis, keys: Callable[[str], list[str]]) -> None:
        """`keys` returns those of a session."""
        self._keys = keys
        self._give_name = redis.register_script(GIVE_NAME)
        self._end = redis.register_script(END)

    async def give_name(self, session_id: str, name: str) -> bool:
        return await self._run(self._give_name, session_id, name)

    async def end(self, session_id: str) -> bool:
        return await self._run(self._end, session_id)

    async def of_user(self, user_id: str, limit: int, after: ListPlace) -> Sequence[ListedSession]:  # noqa: ARG002 - the port's
        return ()

    async def _run(self, script: AsyncScript, session_id: str, *arguments: str) -> bool:
        try:
            return bool(await script(keys=self._keys(session_id), args=list(arguments)))
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
