"""The background work of retention in MongoDB."""

from datetime import datetime
from functools import partial
from typing import Any

from bson import ObjectId

from omnia_core.sessions.mongodb import documents
from omnia_core.sessions.mongodb.client import Collections, Document, MongoConnection
from omnia_core.sessions.retention import RetentionEffects
from omnia_core.sessions.sweeping import PAGE_SIZE, RetentionDatabase, RetentionTerms, VisitedPage

_DELETED = 2  # the stage of a dry run in which a session would have been deleted


class MongoRetention(RetentionDatabase):
    """Sweeps the sessions of all agents, and applies the terms of one."""

    def __init__(
        self, connection: MongoConnection, owner: documents.Owner, terms: RetentionTerms
    ) -> None:
        """`owner` is the agent whose terms these are."""
        self._connection = connection
        self._owner = owner
        self._terms = terms

    async def sweep(self, batch: int) -> tuple[int, int]:
        time = documents.now()
        ended = deleted = 0
        over = {"ended": False, "expires_at": {"$lte": time}}
        for session in await self._find(over, "expires_at", batch):
            counts = await self._connection.run(partial(_end, session=session, time=time))
            ended, deleted = ended + counts[0], deleted + counts[1]
        late = {"ended": True, "kept_until": {"$lte": time}}
        for session in await self._find(late, "kept_until", batch):
            deleted += await self._connection.run(partial(delete_session, key=session["_id"]))
        await self._connection.run(partial(_forget_users, until=time, batch=batch))
        return ended, deleted

    async def restamp(self, after: VisitedPage | None) -> VisitedPage:
        time, terms, keep = documents.now(), self._terms, self._terms.keep
        assert keep is not None  # noqa: S101 - the worker restamps only under a known policy
        page = await self._page(after)
        for session in page:
            used, expires = session["used_at"], session["expires_at"]
            if not session["ended"] and expires > time:
                expires = used + terms.ttl
            stamped = {"expires_at": expires, "kept_until": max(expires, used + keep)}
            if stamped != {name: session[name] for name in stamped}:
                await self._connection.run(partial(_set, session=session, fields=stamped))
        if after is None:
            longest = time + max(terms.ttl, keep)
            await self._connection.run(partial(_bound_users, owner=self._owner, until=longest))
        return _visited(page)

    async def try_policy(self, after: VisitedPage | None) -> VisitedPage:
        time = documents.now()
        page = await self._page(after)
        ended = deleted = 0
        for session in page:
            before = session["trial_stage"]
            stage = documents.trial_stage(session, self._terms, time)
            if session["ended"] or session["expires_at"] <= time or stage <= before:
                continue
            if await self._connection.run(
                partial(_set, session=session, fields={"trial_stage": stage})
            ):
                effects = trial_effects(before, stage)
                ended += effects.sessions_ended
                deleted += effects.sessions_deleted
        return _visited(page, ended, deleted)

    async def _page(self, after: VisitedPage | None) -> list[Document]:
        wanted: Document = {"namespace": self._owner.namespace, "agent": self._owner.agent}
        if after:
            wanted["$or"] = [
                {"begun_at": {"$gt": after.begun_at}},
                {"begun_at": after.begun_at, "_id": {"$gt": after.key}},
            ]

        async def find(collections: Collections) -> list[Document]:
            found = collections.sessions.find(wanted, {"checkpoint": 0})
            return await found.sort([("begun_at", 1), ("_id", 1)]).limit(PAGE_SIZE).to_list()

        return await self._connection.run(find)

    async def _find(self, wanted: Document, order: str, batch: int) -> list[Document]:
        async def find(collections: Collections) -> list[Document]:
            found = collections.sessions.find(wanted, {"kept_until": 1})
            return await found.sort(order, 1).limit(batch).to_list()

        return await self._connection.run(find)


def trial_effects(before: int, stage: int) -> RetentionEffects:
    """Return what a dry-run policy would have done since the stage before."""
    return RetentionEffects(int(stage > before == 0), int(stage == _DELETED > before), dry_run=True)


async def end_named(collections: Collections, *, name: str, time: datetime) -> tuple[int, int]:
    """End the session of a name if it has expired; return how many were ended and deleted."""
    session = await collections.sessions.find_one(
        {"open": name, "expires_at": {"$lte": time}}, {"kept_until": 1}
    )
    return await _end(collections, session=session, time=time) if session else (0, 0)


async def _end(collections: Collections, *, session: Document, time: datetime) -> tuple[int, int]:
    key = session["_id"]
    over = {"_id": key, "ended": False, "expires_at": {"$lte": time}}
    result = await collections.sessions.update_one(over, documents.ended(key))
    if not result.modified_count:
        return 0, 0
    if session["kept_until"] > time:
        return 1, 0
    return 1, await delete_session(collections, key=key)


async def delete_session(collections: Collections, *, key: ObjectId) -> int:
    """Delete an ended session and what belongs to it; last the session, by which it is found."""
    await collections.messages.delete_many({"session": key})
    await collections.summaries.delete_many({"session": key})
    await collections.eval_results.delete_many({"session": key})
    return (await collections.sessions.delete_many({"_id": key})).deleted_count


async def _set(collections: Collections, *, session: Document, fields: Document) -> bool:
    """Set fields of a session that nobody has used since it was read."""
    wanted = {name: session[name] for name in ("_id", "used_at", "ended", "trial_stage")}
    return bool((await collections.sessions.update_one(wanted, {"$set": fields})).modified_count)


async def _forget_users(collections: Collections, *, until: datetime, batch: int) -> None:
    """Delete users who have no session any more; one that was read since is kept longer."""
    due = {"kept_until": {"$lte": until}}
    for user in await collections.users.find(due).sort("kept_until", 1).limit(batch).to_list():
        owner = {name: user[name] for name in ("namespace", "agent", "user_id")}
        found = collections.sessions.find(owner, {"kept_until": 1}).sort("kept_until", -1).limit(1)
        kept = [session["kept_until"] for session in await found.to_list()]
        if kept and kept[0] > until:
            await collections.users.update_one(
                {"_id": user["_id"]}, {"$max": {"kept_until": kept[0]}}
            )
        else:
            await collections.users.delete_many({"_id": user["_id"], **due})


async def _bound_users(
    collections: Collections, *, owner: documents.Owner, until: datetime
) -> None:
    """Let no user of an agent be kept longer than its sessions can be."""
    wanted = {"namespace": owner.namespace, "agent": owner.agent, "kept_until": {"$gt": until}}
    await collections.users.update_many(wanted, {"$set": {"kept_until": until}})


def _visited(page: list[Document], ended: int = 0, deleted: int = 0) -> VisitedPage:
    last: Any = page[-1] if page else {"begun_at": None, "_id": None}
    return VisitedPage(len(page), last["begun_at"], last["_id"], ended, deleted)
