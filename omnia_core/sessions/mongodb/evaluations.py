"""Results of evaluations in MongoDB, a document each whose id exists once, and what was spent."""

import time
from collections.abc import Collection, Sequence
from datetime import date
from functools import partial

from pymongo.errors import BulkWriteError

from omnia_core.sessions.audit import ProviderCall
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.mongodb import documents
from omnia_core.sessions.mongodb.client import Collections, Document, MongoConnection
from omnia_core.sessions.mongodb.consequences import upsert

_EXISTS = 11000  # https://www.mongodb.com/docs/manual/reference/error-codes/


class MongoEvalResults:
    """Keeps the results of the sessions of an agent."""

    def __init__(self, connection: MongoConnection, owner: documents.Owner) -> None:
        """`owner` is the agent."""
        self._connection = connection
        self._owner = owner

    async def add(self, results: Sequence[EvalResult], calls: Sequence[ProviderCall]) -> int:
        """Insert the results that are new, and return how many; if any is, add up the calls."""
        made: list[Document] = []
        # JSON's readers keep numbers up to 2**53 exactly, which are microseconds until 2255.
        first = time.time_ns() // 1000
        sessions: dict[str, Document | None] = {}
        for result in results:
            if result.session not in sessions:
                sessions[result.session] = await self._session(result.session)
            if session := sessions[result.session]:
                made.append(documents.result_document(session, result, first + len(made)))
        if not made:
            return 0
        added = await self._connection.run(partial(_insert, made=made))
        if added:
            # Its id is remembered, so that a second attempt adds nothing.
            for each in documents.judge_sums(self._owner, calls, documents.now()):
                change = documents.daily_update(each, made[0]["_id"])
                await self._connection.run(partial(_add_up, change=change))
        return added

    async def of(self, session_id: str) -> list[EvalResult]:
        """Return the results of a session in the order of their turns."""
        session = await self._session(session_id)
        if session is None:
            return []
        order = [("turn", 1), ("at", 1), ("evaluation", 1), ("source", 1)]

        async def find(collections: Collections) -> list[Document]:
            found = collections.eval_results.find({"session": session["_id"]})
            return await found.sort(order).to_list()

        found = await self._connection.run(find)
        return [documents.decode_result(each, session_id) for each in found]

    async def spent(self, first: date, providers: Collection[str]) -> float:
        """Return what requests to these providers cost since a day; to all for ()."""
        wanted: Document = {
            "namespace": self._owner.namespace,
            "agent": self._owner.agent,
            "day": {"$gte": first.isoformat()},
        }
        if providers:
            wanted["provider"] = {"$in": list(providers)}

        async def find(collections: Collections) -> list[Document]:
            return await collections.daily_calls.find(wanted, ["cost_usd"]).to_list()

        return float(sum(each["cost_usd"] for each in await self._connection.run(find)))

    async def _session(self, session_id: str) -> Document | None:
        """Return the open session of an id, else the newest one that is kept."""
        wanted = documents.of_id(self._owner, session_id) | {"length": {"$gt": 0}}
        newest = [("ended", 1), ("begun_at", -1)]

        async def find(collections: Collections) -> list[Document]:
            found = collections.sessions.find(wanted, ["namespace", "agent", "session_id"])
            return await found.sort(newest).limit(1).to_list()

        sessions = await self._connection.run(find)
        return sessions[0] if sessions else None


async def _insert(collections: Collections, *, made: list[Document]) -> int:
    try:
        await collections.eval_results.insert_many(made, ordered=False)
    except BulkWriteError as error:
        if any(each["code"] != _EXISTS for each in error.details["writeErrors"]):
            raise
        return int(error.details["nInserted"])
    return len(made)


async def _add_up(collections: Collections, *, change: tuple[Document, Document]) -> None:
    await upsert(collections.daily_calls, change)
