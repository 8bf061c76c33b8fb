"""What is written after an append: its session, users, summaries, daily sums, and the old messages.

Each step may be done twice, by the writer and by whoever uses the session next.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from omnia_core.sessions.mongodb import documents
from omnia_core.sessions.mongodb.client import Collections, Document, Documents, MongoConnection
from omnia_core.sessions.retention import EffectsCallback, RetentionEffects
from omnia_core.sessions.sweeping import RetentionTerms


class Consequences:
    """Writes what follows from appends, in the order in which they were made."""

    def __init__(
        self, connection: MongoConnection, terms: RetentionTerms, on_retention: EffectsCallback
    ) -> None:
        """`on_retention` is called with the messages that were deleted."""
        self._connection = connection
        self._terms = terms
        self._on_retention = on_retention

    async def heal(self, session: Document) -> Document | None:
        """Write what follows from the appends after the session's length.

        Returns:
            The session as it is then; None when it has ended.
        """

        async def find(collections: Collections) -> list[Document]:
            wanted = {"session": session["_id"], "from": {"$gte": session["length"]}}
            return await collections.messages.find(wanted).sort("from", 1).to_list()

        followed: Document | None = session
        for append in await self._connection.run(find):
            if followed and followed["length"] == append["from"]:
                followed = await self.write(followed, append)
        return followed

    async def write(self, session: Document, append: Document) -> Document | None:
        """Write what follows from an append to `session`.

        The session comes last: as long as its length is the one before, the rest may be missing.

        Returns:
            The session as it is then; None when it has ended.
        """
        user = session["user_id"]
        await self._connection.run(lambda found: self._write_others(found, append, user))
        begins = await self._begins(session, append)
        change = documents.session_update(append)
        fields = change["$set"]
        fields |= self._bounded(session, append, begins)

        async def update(collections: Collections) -> tuple[Document | None, bool]:
            key = {"_id": session["_id"], "ended": False}
            after = await collections.sessions.find_one_and_update(
                key | {"length": append["from"]}, change, return_document=ReturnDocument.AFTER
            )
            if after:
                return after, True
            return await collections.sessions.find_one(key), False

        followed, first = await self._connection.run(update)
        if followed and first:
            self._report(session, followed)
        if followed:
            await self.delete_messages(followed)
        return followed

    async def delete_messages(self, session: Document) -> None:
        """Delete the messages before the first one that is kept, if they are still there."""
        if session["emptied"] < session["first"]:
            await self._connection.run(
                lambda found: _delete_before(found, session["_id"], session["first"])
            )

    async def name(self, session: Document, naming: Document, name: str, expected: str) -> bool:
        """Write what follows from a naming; return whether the session has the name by then."""
        await self._connection.run(lambda found: self._write_others(found, naming))
        sums = {"$inc": documents.trail_sums(naming["trail"])}

        async def update(collections: Collections) -> bool:
            key, made = {"_id": session["_id"]}, {"name_given": {"$ne": True}}
            result = await collections.sessions.update_one(
                key | made | {"name": expected}, {"$set": {"name": name}, **sums}
            )
            named = key | made | {"name": name}
            if result.matched_count or await collections.sessions.find_one(named):
                return True
            # Another name came first. This one was paid for all the same.
            await collections.sessions.update_one(key, sums)
            return False

        return await self._connection.run(update)

    async def _write_others(
        self, collections: Collections, append: Document, session_user: str = ""
    ) -> None:
        """Write what follows from an append, or a naming, outside the session."""
        turns, calls = documents.daily_sums(append)
        keep = max(self._terms.ttl, self._terms.keep or timedelta())
        user = documents.user_update(append, session_user, keep)
        steps = [_insert(collections.summaries, each) for each in documents.summaries(append)]
        if turns:
            steps.append(
                upsert(collections.daily_turns, documents.daily_update(turns, append["_id"]))
            )
        steps += [
            upsert(collections.daily_calls, documents.daily_update(call, append["_id"]))
            for call in calls
        ]
        if user:
            steps.append(upsert(collections.users, user))
        await asyncio.gather(*steps)

    async def _begins(self, session: Document, append: Document) -> list[int]:
        """Return where the turns begin of which messages are kept; [] when no bound is reached."""
        most = self._terms.most or self._terms.trial_most
        # The first append is one turn, even if a function called its model twice: it stays whole.
        if most is None or not append["from"] or append["to"] - session["first"] <= most:
            return []

        async def find(collections: Collections) -> list[Document]:
            wanted = {"session": session["_id"], "to": {"$gt": session["first"]}}
            return await collections.messages.find(wanted, {"begins": 1}).sort("from", 1).to_list()

        found = await self._connection.run(find)
        return [at for each in found for at in each["begins"] if at >= session["first"]]

    def _bounded(self, session: Document, append: Document, begins: Sequence[int]) -> Document:
        """Return the fields of the session that the bound of its messages changes."""
        if not begins:
            return {}
        terms, first, length = self._terms, session["first"], append["to"]
        if terms.most is not None:
            start = max(documents.first_kept(begins, length, terms.most), first)
            turns = sum(at < start for at in begins)
            return {"first": start, "first_turn": session["first_turn"] + turns}
        trial, known = terms.trial_most, max(first, session["trial_first"])
        if trial is None or length - known <= trial:
            return {}
        return {"trial_first": max(documents.first_kept(begins, length, trial), known)}

    def _report(self, before: Document, after: Document) -> None:
        """Report the messages that a bound deletes, or would have deleted, with an append."""
        known, now_known = (max(each["first"], each["trial_first"]) for each in (before, after))
        for effects in (
            RetentionEffects(messages_deleted=after["first"] - before["first"]),
            RetentionEffects(messages_deleted=now_known - known, dry_run=True),
        ):
            if effects and (not effects.dry_run or self._terms.trial_most is not None):
                self._on_retention(effects)


async def _delete_before(collections: Collections, key: object, first: int) -> None:
    """Delete the messages of a session before a position; the audit trail stays."""
    messages = collections.messages
    await messages.update_many(
        {"session": key, "to": {"$lte": first}, "messages": {"$ne": []}},
        {"$set": {"messages": [], "begins": []}},
    )
    cut = await messages.find_one(
        {"session": key, "from": {"$lt": first}, "to": {"$gt": first}},
        {"messages": 1, "begins": 1, "to": 1},
    )
    if cut:
        kept = {
            "messages": cut["messages"][first - cut["to"] :],
            "begins": [at for at in cut["begins"] if at >= first],
        }
        await messages.update_one({"_id": cut["_id"]}, {"$set": kept})
    await collections.summaries.delete_many({"session": key, "position": {"$lt": first}})
    await collections.sessions.update_one({"_id": key}, {"$max": {"emptied": first}})


async def _insert(collection: Documents, document: Document) -> None:
    try:
        await collection.insert_one(document)
    except DuplicateKeyError:
        return


async def upsert(collection: Documents, change: tuple[Document, Document]) -> None:
    """Make a change, given as its filter and update, once; the filter has what was added."""
    wanted, update = change
    try:
        await collection.update_one(wanted, update, upsert=True)
    except DuplicateKeyError:
        # It was added before, or another writer has made the document at the same time.
        await collection.update_one(wanted, update)
