"""The first words of many sessions in MongoDB, by one query."""

from collections.abc import Iterable, Mapping
from typing import Any

from bson import ObjectId
from pymongo.asynchronous.collection import AsyncCollection

from omnia_core.sessions.first_message import first_said
from omnia_core.sessions.mongodb.client import Document
from omnia_core.sessions.mongodb.documents import decode_messages

_READ = ("session", "messages.role", "messages.content", "has_nul")


async def find_first_messages(
    messages: AsyncCollection[Document], sessions: Iterable[Mapping[str, Any]]
) -> dict[ObjectId, str]:
    """Return the first words of sessions, by their keys: of those whose first append has some.

    Args:
        messages: the collection of the appends.
        sessions: at least the fields `_id` and `first` of each.
    """
    keys = [session["_id"] for session in sessions if not session["first"]]
    wanted: dict[str, Any] = {"session": {"$in": keys}, "from": 0}
    return {
        append["session"]: first_said(decode_messages(append))
        async for append in messages.find(wanted, _READ)
    }
