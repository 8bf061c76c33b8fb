"""What users may do with sessions of their own, in MongoDB."""

from omnia_core.sessions.audit import AuditTrail, EventKind, RuntimeEvent, timestamp
from omnia_core.sessions.escaping import escape_nul, replace_nul, unescape_nul
from omnia_core.sessions.mongodb import documents
from omnia_core.sessions.mongodb.client import Collections, Document, MongoConnection
from omnia_core.sessions.mongodb.first_messages import find_first_messages
from omnia_core.sessions.mongodb.retention import delete_session
from omnia_core.sessions.own import ListedSession, ListPlace, OwnSessions

_LISTED = (
    "session_id",
    "name",
    "begun_at",
    "active_at",
    "expires_at",
    "turns",
    "status",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "first",
)


class MongoOwnSessions(OwnSessions):
    """The sessions of one agent."""

    def __init__(self, connection: MongoConnection, owner: documents.Owner) -> None:
        self._connection = connection
        self._owner = owner

    async def give_name(self, session_id: str, name: str) -> bool:
        wanted, named = self._open(session_id), {"name": replace_nul(name), "name_given": True}

        async def give(collections: Collections) -> bool:
            result = await collections.sessions.update_one(wanted, {"$set": named})
            return result.matched_count > 0

        return await self._connection.run(give)

    async def end(self, session_id: str) -> bool:
        found = await self._connection.run(lambda each: self._find(each, session_id))
        if found is None:
            return False
        key = found["_id"]
        deleted = AuditTrail(events=(RuntimeEvent(timestamp(), EventKind.SESSION_DELETED),))
        note = documents.trail_document(found, deleted, id_=f"{key}:deleted", time=documents.now())

        async def end(collections: Collections) -> None:
            ended = documents.ended(key)
            ended["$set"]["expires_at"] = documents.now()
            await collections.sessions.update_one({"_id": key}, ended)
            # A policy keeps those whose time is longer than their time to live.
            if found["kept_until"] <= found["expires_at"]:
                await delete_session(collections, key=key)
            else:
                await collections.messages.replace_one({"_id": note["_id"]}, note, upsert=True)

        await self._connection.run(end)
        return True

    async def of_user(self, user_id: str, limit: int, after: ListPlace) -> list[ListedSession]:
        wanted = {
            "namespace": self._owner.namespace,
            "agent": self._owner.agent,
            "user_id": escape_nul(user_id),
            "tag": "agent",
            "ended": False,
            "expires_at": {"$gt": documents.now()},
            "length": {"$gt": 0},
            "$or": [
                {"begun_at": {"$lt": after.begun_at}},
                {"begun_at": after.begun_at, "session_id": {"$lt": escape_nul(after.session_id)}},
            ],
        }

        async def find(collections: Collections) -> list[ListedSession]:
            found = collections.sessions.find(wanted, _LISTED)
            found = found.sort([("begun_at", -1), ("session_id", -1)]).limit(limit)
            sessions = await found.to_list()
            said = await find_first_messages(collections.messages, sessions)
            return [_listed(each, said.get(each["_id"], "")) for each in sessions]

        return await self._connection.run(find)

    async def _find(self, collections: Collections, session_id: str) -> Document | None:
        return await collections.sessions.find_one(
            self._open(session_id), ["kept_until", "expires_at", *documents.OF_A_TRAIL]
        )

    def _open(self, session_id: str) -> Document:
        """Return the filter of the session with an id that has begun and not ended."""
        return {
            "open": self._owner.open_name(session_id),
            "expires_at": {"$gt": documents.now()},
            "length": {"$gt": 0},
        }


def _listed(session: Document, first_message: str) -> ListedSession:
    return ListedSession(
        id=unescape_nul(session["session_id"]),
        name=session["name"],
        begun_at=session["begun_at"],
        active_at=session["active_at"],
        ends_at=session["expires_at"],
        turns=session["turns"],
        status=session["status"],
        tokens=session["input_tokens"] + session["output_tokens"],
        cost_usd=session["cost_usd"],
        first_message=first_message,
    )
