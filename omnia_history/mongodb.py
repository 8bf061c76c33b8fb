"""Reads the documents of sessions in MongoDB as the rows of the other databases."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from msgspec import structs
from pymongo import ReadPreference
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    ExecutionTimeout,
    NetworkTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from omnia_core.names import EvalOutcome
from omnia_core.sessions.escaping import escape_nul
from omnia_core.sessions.mongodb.client import DEFAULT_DATABASE, Document, open_client
from omnia_core.sessions.mongodb.documents import BUCKET_NAMES, decode_messages
from omnia_core.sessions.mongodb.first_messages import find_first_messages
from omnia_history import documents
from omnia_history.database import (
    QUERY_TIMEOUT_SECONDS,
    Database,
    Row,
    Rows,
    invalid_value,
    no_sessions,
    too_late,
)
from omnia_history.filters import (
    ALL_NAMESPACES,
    AggregateFilter,
    EvalFilter,
    Page,
    PieceSize,
    SessionFilter,
    SessionPosition,
    TurnPage,
    UserFilter,
    UserPosition,
)
from omnia_history.refusals import Refused

# What groups are called in the documents, where the name is another one.
_EVAL_GROUPS = {"eval": "evaluation"}
_NEWEST_FIRST = [("begun_at", -1), ("_id", -1)]
_SAID = ("user", "assistant")
_BEFORE_ALL = -(2**31)
# What JSON's readers keep exactly.
_MAX_NUMBER = 2**53
_SESSION_SUMS = ("turns", "input_tokens", "output_tokens", "cached_tokens")
_SUMS = ("calls", "errors", "input_tokens", "output_tokens", "cached_tokens", "cost_usd")


class MongoDatabase(Database):
    """A client that only reads; from a secondary server while there is no primary one."""

    def __init__(self, url: str, query_seconds: float = QUERY_TIMEOUT_SECONDS) -> None:
        """Create the client without connecting. `query_seconds` is the time limit of a query.

        Raises:
            ConfigurationError: the URL is not one of MongoDB.
        """
        self._client = open_client(url)
        self._database = self._client.get_default_database(
            DEFAULT_DATABASE, read_preference=ReadPreference.PRIMARY_PREFERRED
        )
        self._query_seconds = query_seconds
        self._made = False

    async def sessions(self, namespace: str, criteria: SessionFilter) -> Rows:
        wanted = _session_filter(namespace, criteria)
        return await self._with_first_messages(await self._sessions(wanted, criteria.limit + 1))

    async def search(
        self, namespace: str, criteria: SessionFilter, size: PieceSize
    ) -> tuple[Rows, SessionPosition | None]:
        wanted = _session_filter(namespace, criteria)
        piece = await self._sessions(wanted, size.sessions + 1)
        within, messages = 0, 0
        while within < min(len(piece), size.sessions) and (not within or messages < size.messages):
            messages += piece[within]["messages"] - piece[within]["messages_deleted"]
            within += 1
        last = piece[within - 1] if within < len(piece) else None
        named, keys = criteria.text.lower(), [row["key"] for row in piece[:within]]
        found = await self._said(criteria.text, keys)
        found |= {row["key"] for row in piece[:within] if named in row["name"].lower()}
        matches = [row for row in piece[:within] if row["key"] in found][: criteria.limit + 1]
        return (
            await self._with_first_messages(matches),
            SessionPosition(last["begun_at"], last["key"]) if last else None,
        )

    async def session_sums(self, namespace: str, criteria: SessionFilter) -> Row:
        wanted = _session_filter(namespace, structs.replace(criteria, after=None))
        sums: Document = {"sessions": 0, **dict.fromkeys(_SESSION_SUMS, 0), "cost_usd": 0.0}
        async with self._reading() as database:
            async for session in database["sessions"].find(wanted, [*_SESSION_SUMS, "cost_usd"]):
                sums["sessions"] += 1
                for name in (*_SESSION_SUMS, "cost_usd"):
                    sums[name] += session[name]
        # BSON's own type of long numbers is no number for an encoder of JSON.
        return sums | {name: int(sums[name]) for name in _SESSION_SUMS}

    async def users(self, namespace: str, criteria: UserFilter) -> Rows:
        owner, after, rows = _owner(namespace, criteria.agent), criteria.after, list[Document]()
        while len(rows) <= criteria.limit:
            page = await self._users(owner | _seen_before(after), criteria.limit + 1)
            if not page:
                break
            names = {"user_id": {"$in": [user["user_id"] for user in page]}}
            rows += await self._used(owner | names, page)
            after = UserPosition(page[-1]["last_seen"], page[-1]["user_id"])
        return rows[: criteria.limit + 1]

    async def session(self, namespace: str, session_id: str, page: Page) -> Row | None:
        wanted = _owner(namespace, page.agent) | {"session_id": escape_nul(session_id)}
        if page.begun_at:
            wanted["begun_at"] = page.begun_at
        rows = await self._with_first_messages(await self._sessions(wanted | _BEGUN, 1))
        return rows[0] if rows else None

    async def records(self, kind: str, key: Any, page: Page) -> Rows:
        if page.after > _MAX_NUMBER:
            raise invalid_value()
        records: Callable[[Document], list[Row]]
        if kind == "messages":
            wanted: Document = {"to": {"$gt": page.after + 1}, "messages": {"$ne": []}}
            order, records = "from", documents.messages
        elif kind in documents.TRAILS:
            since = datetime.fromtimestamp(max(page.after, 0) // documents.MAX_RECORDS / 1000, UTC)
            wanted = {"created_at": {"$gte": since}, "trail": {"$exists": True}}
            order, records = "created_at", documents.trail_records(documents.TRAILS[kind])
        else:
            return await self._eval_results(key, page)
        rows: list[Row] = []
        async with self._reading() as database:
            found = database["messages"].find({"session": ObjectId(key), **wanted})
            async for append in found.sort([(order, 1), ("_id", 1)]):
                rows += [row for row in records(append) if row["number"] > page.after]
                if len(rows) > page.limit:
                    break
        return rows[: page.limit + 1]

    async def turn_records(self, key: Any, page: TurnPage) -> Mapping[str, Rows]:
        rows: dict[str, list[Row]] = {kind: [] for kind in ("messages", *documents.TRAILS)}
        after = page.after or _BEFORE_ALL
        wanted = {"session": ObjectId(key)}
        # The rest of an interrupted turn is in the append of the one after it.
        turns = {"turn": {"$gt": after, "$lte": page.last + 1}}
        within = {"turn": {"$gt": after, "$lte": page.last}}
        async with self._reading() as database:
            appends = await database["messages"].find(wanted | turns).to_list()
            for append in sorted(appends, key=lambda each: (each["created_at"], each.get("to", 0))):
                rows["messages"] += documents.numbered_messages(append)
                for kind, name in documents.TRAILS.items() if "trail" in append else ():
                    rows[kind] += documents.trail_records(name)(append)
            found = database["eval_results"].find(wanted | within).sort("number", 1)
            rows["eval-results"] = [documents.eval_row(each) async for each in found]
        rows["messages"].sort(key=lambda row: int(row["number"]))
        return {
            kind: [row for row in each if after < row["turn"] <= page.last]
            for kind, each in rows.items()
        }

    async def calls(self, namespace: str, criteria: AggregateFilter) -> Rows:
        return await self._sum("daily_calls", _SUMS, namespace, criteria)

    async def turns(self, namespace: str, criteria: AggregateFilter) -> Rows:
        return await self._sum("daily_turns", ("turns", "errors"), namespace, criteria)

    async def _eval_results(self, key: Any, page: Page) -> list[Row]:
        wanted = {"session": ObjectId(key), "number": {"$gt": page.after}}
        async with self._reading() as database:
            found = database["eval_results"].find(wanted).sort("number", 1).limit(page.limit + 1)
            return [documents.eval_row(each) async for each in found]

    async def evals(self, namespace: str, criteria: EvalFilter) -> Rows:
        wanted = _owner(namespace, criteria.agent)
        if criteria.since:
            wanted["at"] = {"$gte": criteria.since}
        fields = [_EVAL_GROUPS.get(each, each) for each in criteria.by]
        groups: dict[tuple[str, ...], Document] = {}
        async with self._reading() as database:
            shown = [*fields, "outcome", "score", "cost_usd"]
            async for each in database["eval_results"].find(wanted, shown):
                place = tuple(each[field] for field in fields)
                group = groups.setdefault(
                    place,
                    {
                        **dict(zip(criteria.by, place, strict=True)),
                        **{f"{outcome}_count": 0 for outcome in EvalOutcome},
                        "score": 0.0,
                        "cost_usd": 0.0,
                    },
                )
                group[f"{each['outcome']}_count"] += 1
                group["score"] += each["score"] or 0.0
                group["cost_usd"] += each["cost_usd"]
        return [group for _, group in sorted(groups.items())]

    async def close(self) -> None:
        await self._client.close()

    async def _sessions(self, wanted: Document, limit: int) -> list[Row]:
        async with self._reading() as database:
            found = database["sessions"].find(wanted, {"checkpoint": 0}).sort(_NEWEST_FIRST)
            return [documents.session_row(each) async for each in found.limit(limit)]

    async def _with_first_messages(self, sessions: Rows) -> Rows:
        """Return rows of sessions with the first words of each."""
        async with self._reading() as database:
            said = await find_first_messages(database["messages"], sessions)
        return [{**row, "first_message": said.get(row["_id"], "")} for row in sessions]

    async def _users(self, wanted: Document, limit: int = 0) -> list[Document]:
        """Return users of agents, latest first."""
        async with self._reading() as database:
            found = database["users"].find(wanted, ["user_id", "last_seen"])
            return await found.sort([("last_seen", -1), ("user_id", -1)]).limit(limit).to_list()

    async def _used(self, wanted: Document, page: list[Document]) -> list[Document]:
        """Return the users of a page with what their sessions sum up to.

        A user of several agents comes with the one that was used last, and one whose sessions were
        all deleted does not come.
        """
        last: dict[str, datetime] = {}
        for user in await self._users(wanted):
            last.setdefault(user["user_id"], user["last_seen"])
        used: dict[str, Document] = {}
        fields = ["user_id", "begun_at", "turns", "cost_usd"]
        async with self._reading() as database:
            async for session in database["sessions"].find(wanted | _BEGUN, fields):
                if session["user_id"] in last:
                    _add_session(used, session, last[session["user_id"]])
        latest = dict.fromkeys(
            user["user_id"] for user in page if last.get(user["user_id"]) == user["last_seen"]
        )
        return [used[user_id] for user_id in latest if user_id in used]

    async def _said(self, text: str, keys: Iterable[str]) -> set[str]:
        """Return those of the sessions in which a text was said."""
        wanted = {
            "session": {"$in": [ObjectId(key) for key in keys]},
            # Text with the character NUL is binary.
            "$or": [{"messages.content": _containing(text)}, {"has_nul": True}],
        }
        lowered, said = text.lower(), set[str]()
        async with self._reading() as database:
            found = database["messages"].find(wanted, ["session", "messages", "has_nul"])
            async for append in found:
                if any(
                    message.role in _SAID and lowered in message.content.lower()
                    for message in decode_messages(append)
                ):
                    said.add(str(append["session"]))
        return said

    async def _sum(
        self, name: str, sums: Iterable[str], namespace: str, criteria: AggregateFilter
    ) -> Rows:
        wanted = _owner(namespace, criteria.agent)
        days = {
            "$gte": criteria.first and criteria.first.isoformat(),
            "$lte": criteria.last and criteria.last.isoformat(),
        }
        if bounds := {operator: day for operator, day in days.items() if day}:
            wanted["day"] = bounds
        groups: dict[str, Document] = {}
        async with self._reading() as database:
            async for row in database[name].find(wanted, {"seen": 0}):
                group = groups.setdefault(
                    row[criteria.group_by],
                    {
                        "group": row[criteria.group_by],
                        **dict.fromkeys(sums, 0),
                        "buckets": [0] * len(BUCKET_NAMES),
                    },
                )
                for each in sums:
                    group[each] += row[each]
                for index, bucket in enumerate(BUCKET_NAMES):
                    group["buckets"][index] += row["latency"].get(bucket, 0)
        return list(groups.values())

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncDatabase[Document]]:
        """Yield the database for a query.

        Raises:
            Refused: the database does not answer in time, or has no sessions yet.
        """
        try:
            async with asyncio.timeout(self._query_seconds):
                if not self._made:
                    self._made = await self._database["schema"].find_one() is not None
                if not self._made:
                    raise no_sessions()
                yield self._database
        except (ServerSelectionTimeoutError, OSError, PyMongoError) as error:
            if isinstance(error, TimeoutError | NetworkTimeout | ExecutionTimeout):
                raise too_late(self._query_seconds) from error
            raise Refused(
                "unavailable", f"the database cannot be reached: {type(error).__name__}"
            ) from error


_BEGUN = {"length": {"$gt": 0}}


def _owner(namespace: str, agent: str) -> Document:
    if "\0" in agent:
        raise invalid_value()
    wanted: Document = {} if namespace == ALL_NAMESPACES else {"namespace": namespace}
    return wanted | ({"agent": agent} if agent else {})


def _session_filter(namespace: str, criteria: SessionFilter) -> Document:
    wanted = _owner(namespace, criteria.agent) | _BEGUN
    equal = {
        "tag": criteria.tag,
        "user_id": escape_nul(criteria.user),
        "status": criteria.status,
    }
    wanted |= {name: value for name, value in equal.items() if value}
    if criteria.name:
        wanted["name"] = _containing(criteria.name)
    times = {"$gte": criteria.begun_from, "$lt": criteria.begun_to}
    if bounds := {operator: time for operator, time in times.items() if time}:
        wanted["begun_at"] = bounds
    if criteria.after:
        begun, key = criteria.after.begun_at, _key(criteria.after.key)
        wanted["$or"] = [
            {"begun_at": {"$lt": begun}},
            {"begun_at": begun, "_id": {"$lt": key}},
        ]
    return wanted


def _key(key: int | str) -> ObjectId:
    try:
        return ObjectId(str(key))
    except InvalidId:
        raise invalid_value() from None


def _containing(text: str) -> Document:
    return {"$regex": re.escape(text), "$options": "i"}


def _seen_before(position: UserPosition | None) -> Document:
    if position is None:
        return {}
    seen, user = position.active_at, position.user_id
    return {
        "$or": [
            {"last_seen": {"$lt": seen}},
            {"last_seen": seen, "user_id": {"$lt": user}},
        ]
    }


def _add_session(users: dict[str, Document], session: Document, last_seen: datetime) -> None:
    begun = session["begun_at"]
    user = users.setdefault(
        session["user_id"],
        {
            "user_id": session["user_id"],
            "active_at": last_seen,
            "first_begun_at": begun,
            "sessions": 0,
            "turns": 0,
            "cost_usd": 0.0,
        },
    )
    user["first_begun_at"] = min(user["first_begun_at"], begun)
    user["sessions"] += 1
    user["turns"] += session["turns"]
    user["cost_usd"] += session["cost_usd"]
