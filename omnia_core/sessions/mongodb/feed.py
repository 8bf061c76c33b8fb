"""The feed of evaluations in MongoDB: a document for each session."""

import contextlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from pymongo.errors import DuplicateKeyError

from omnia_core.sessions.escaping import escape_nul, unescape_nul
from omnia_core.sessions.feed import (
    CLAIM_SECONDS,
    UNANSWERED_SECONDS,
    DueSession,
    FeedBacklog,
    Progress,
    SessionFeed,
)
from omnia_core.sessions.mongodb import documents
from omnia_core.sessions.mongodb.client import Collections, Document, MongoConnection

_RELEASED: Document = {"claim": "", "claimed_until": datetime(1, 1, 1, tzinfo=UTC)}


class MongoFeed(SessionFeed):
    """The feed of an agent, over the connections of its session store."""

    def __init__(self, connection: MongoConnection, owner: documents.Owner) -> None:
        self._connection = connection
        self._owner = owner
        self._its_owner = {"namespace": owner.namespace, "agent": owner.agent}

    async def note(self, session_id: str, *, answered: bool) -> None:
        """Note an append."""
        now = documents.now()
        due = now + timedelta(seconds=0 if answered else UNANSWERED_SECONDS)
        new = self._its_owner | {"session_id": escape_nul(session_id), "held": False}
        new |= _RELEASED | {"progress": "{}"}
        key = {"_id": self._owner.open_name(session_id)}
        change = {"$set": {"active_at": now}, "$inc": {"version": 1}}

        async def note(collections: Collections) -> None:
            feed = collections.eval_feed
            held = await feed.update_one(key | {"held": True}, change)
            if held.matched_count:
                return
            soon = change | {"$min": {"due_at": due}}
            with contextlib.suppress(DuplicateKeyError):
                await feed.update_one(key, soon | {"$setOnInsert": new}, upsert=True)
                return
            await feed.update_one(key, soon)

        await self._connection.run(note)

    async def claim(self, limit: int, seconds: float = CLAIM_SECONDS) -> Sequence[DueSession]:
        claim = uuid.uuid4().hex

        async def claim_some(collections: Collections) -> list[Document]:
            found: list[Document] = []
            while len(found) < limit:
                now = documents.now()
                due = {"due_at": {"$lte": now}, "claimed_until": {"$lte": now}}
                mine = {"claim": claim, "claimed_until": now + timedelta(seconds=seconds)}
                known = {"_id": {"$nin": [each["_id"] for each in found]}}
                each = await collections.eval_feed.find_one_and_update(
                    self._its_owner | due | known, {"$set": mine}, sort=[("due_at", 1)]
                )
                if each is None:
                    break
                found.append(each)
            return found

        now = documents.now()
        return [
            DueSession(
                unescape_nul(each["session_id"]),
                msgspec.json.decode(each["progress"], type=Progress),
                (now - each["active_at"]).total_seconds(),
                each["version"],
                claim,
            )
            for each in await self._connection.run(claim_some)
        ]

    async def renew(self, due: DueSession, seconds: float = CLAIM_SECONDS) -> None:
        until = documents.now() + timedelta(seconds=seconds)
        await self._update(due, {}, {"claimed_until": until})

    async def done(
        self, due: DueSession, progress: Progress, again: float, *, held: bool = False
    ) -> None:
        ended = _RELEASED | {"progress": msgspec.json.encode(progress).decode(), "held": held}
        due_at = {"due_at": documents.now() + timedelta(seconds=again)}
        same = {} if held else {"version": due.version}
        if not await self._update(due, same, ended | due_at):
            await self._update(due, {}, ended)

    async def forget(self, due: DueSession) -> None:
        wanted = self._its(due) | {"version": due.version}
        await self._connection.run(lambda found: found.eval_feed.delete_one(wanted))
        await self._update(due, {}, _RELEASED)

    async def backlog(self) -> FeedBacklog:
        now = documents.now()
        wanted = self._its_owner | {"due_at": {"$lte": now}}

        async def find(collections: Collections) -> tuple[int, Document | None]:
            sessions = await collections.eval_feed.count_documents(wanted)
            oldest = await collections.eval_feed.find_one(wanted, sort=[("due_at", 1)])
            return sessions, oldest

        sessions, oldest = await self._connection.run(find)
        return FeedBacklog(sessions, (now - oldest["due_at"]).total_seconds() if oldest else 0.0)

    async def spend(self, day: str, usd: float) -> float:
        key = {"_id": f"{self._owner.namespace}/{self._owner.agent}/{day}"}
        change = {"$inc": {"usd": usd}, "$setOnInsert": self._its_owner | {"day": day}}

        async def spend(collections: Collections) -> float:
            spends = collections.eval_spend
            await spends.delete_many(self._its_owner | {"day": {"$lt": day}})
            with contextlib.suppress(DuplicateKeyError):
                await spends.update_one(key, change, upsert=True)
            found = await spends.find_one(key)
            return float(found["usd"]) if found else 0.0

        return await self._connection.run(spend)

    async def _update(self, due: DueSession, more: Document, fields: Document) -> bool:
        wanted = self._its(due) | more

        async def update(collections: Collections) -> bool:
            result = await collections.eval_feed.update_one(wanted, {"$set": fields})
            return result.matched_count > 0

        return await self._connection.run(update)

    def _its(self, due: DueSession) -> Document:
        return {"_id": self._owner.open_name(due.session_id), "claim": due.claim}
