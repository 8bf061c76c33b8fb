"""What the session store keeps in MongoDB, as documents of Beanie to query and to extend.

The store writes these documents, here as in a pod, and touches no other field: a document class of
the program may have fields of its own.
"""

from datetime import datetime
from typing import Any, Self

from beanie import Document, PydanticObjectId
from pydantic import Field

from omnia_runner.sessions import DEFAULT_NAME, DEFAULT_NAMESPACE


class User(Document):
    """Somebody who has spoken."""

    id: str  # type: ignore[assignment] # not an ObjectId here
    namespace: str
    agent: str
    user_id: str
    first_seen: datetime
    last_seen: datetime

    class Settings:
        """The collection."""

        name = "users"

    @classmethod
    async def find_user(
        cls, user_id: str, *, name: str = DEFAULT_NAME, namespace: str = DEFAULT_NAMESPACE
    ) -> Self | None:
        """Return a user; None when nobody of this id has spoken."""
        return await cls.find_one({"namespace": namespace, "agent": name, "user_id": user_id})


class Session(Document):
    """A session: who began it, what it is about, and what it has used."""

    id: PydanticObjectId  # the store makes it
    namespace: str
    agent: str
    session_id: str
    user_id: str = ""
    name: str = ""
    status: str
    begun_at: datetime
    active_at: datetime
    expires_at: datetime
    ended: bool
    length: int
    turns: int
    tool_calls: int
    provider_calls: int
    provider_errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float

    class Settings:
        """The collection."""

        name = "sessions"

    @classmethod
    async def find_session(
        cls, session_id: str, *, name: str = DEFAULT_NAME, namespace: str = DEFAULT_NAMESPACE
    ) -> Self | None:
        """Return a session that has not ended; None when there is none."""
        wanted = {"namespace": namespace, "agent": name, "session_id": session_id}
        return await cls.find_one({**wanted, "ended": False, "length": {"$gt": 0}})

    @classmethod
    async def find_sessions_of(
        cls,
        user_id: str,
        *,
        limit: int = 50,
        name: str = DEFAULT_NAME,
        namespace: str = DEFAULT_NAMESPACE,
    ) -> list[Self]:
        """Return the sessions that a user began, the last used one first."""
        wanted = {"namespace": namespace, "agent": name, "user_id": user_id, "length": {"$gt": 0}}
        return await cls.find(wanted).sort("-active_at").limit(limit).to_list()


class Message(Document):
    """The messages of one append: a user's message, or the answer to it with its tool calls."""

    id: str  # type: ignore[assignment] # not an ObjectId here
    session: PydanticObjectId
    session_id: str
    from_: int = Field(alias="from")
    to: int
    turn: int
    created_at: datetime
    messages: list[dict[str, Any]]

    class Settings:
        """The collection."""

        name = "messages"

    @classmethod
    async def find_messages_of(cls, session: PydanticObjectId, *, limit: int = 1000) -> list[Self]:
        """Return the appends of a `Session.id`, in order."""
        found = cls.find({"session": session, "messages": {"$ne": []}})
        return await found.sort("+from").limit(limit).to_list()


class Summary(Document):
    """A summary of the beginning of a session."""

    id: str  # type: ignore[assignment] # not an ObjectId here
    session: PydanticObjectId
    session_id: str
    position: int
    covers: int
    content: str
    created_at: datetime

    class Settings:
        """The collection."""

        name = "summaries"

    @classmethod
    async def find_latest_of(cls, session: PydanticObjectId) -> Self | None:
        """Return the last summary of a `Session.id`."""
        found = await cls.find({"session": session}).sort("-position").limit(1).to_list()
        return found[0] if found else None
