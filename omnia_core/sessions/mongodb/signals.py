"""Signals in MongoDB, which listeners poll.

A change stream would wake them, and needs a replica set.
"""

from collections.abc import Sequence
from datetime import timedelta

from bson import ObjectId

from omnia_core.sessions.escaping import escape_nul, replace_nul, unescape_nul
from omnia_core.sessions.mongodb import documents
from omnia_core.sessions.mongodb.client import Collections, Document, MongoConnection
from omnia_core.sessions.signals import KEPT_SECONDS, Signal, StoredSignals

# The clocks of two pods may differ by this much.
_CLOCKS_SECONDS = 25.0
_KEPT = timedelta(seconds=KEPT_SECONDS + _CLOCKS_SECONDS)


class MongoSignals(StoredSignals):
    """The signals of an agent, over the connections of a session store."""

    def __init__(self, connection: MongoConnection, namespace: str, agent: str) -> None:
        self._connection = connection
        self._owner = {"namespace": namespace, "agent": agent}

    async def send(self, signal: Signal) -> None:
        time = documents.now()
        wanted = {"_id": ObjectId()}
        document = self._owner | {
            "session_id": escape_nul(signal.session_id),
            "kind": signal.kind,
            "by": replace_nul(signal.by),
            "length": signal.length,
            "sent_at": time,
        }

        async def send(collections: Collections) -> None:
            await collections.signals.delete_many(self._owner | {"sent_at": {"$lt": time - _KEPT}})
            # A retry sends the same document.
            await collections.signals.update_one(wanted, {"$setOnInsert": document}, upsert=True)

        await self._connection.run(send)

    async def recent(self) -> Sequence[Signal]:
        wanted = self._owner | {"sent_at": {"$gte": documents.now() - _KEPT}}

        async def find(collections: Collections) -> list[Document]:
            return await collections.signals.find(wanted).to_list()

        return [
            Signal(unescape_nul(each["session_id"]), each["kind"], each["by"], each["length"])
            for each in await self._connection.run(find)
        ]
