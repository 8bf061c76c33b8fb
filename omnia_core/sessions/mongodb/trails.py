"""The audit trail of the last turns of a session in MongoDB: it lies in the appends."""

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter

import msgspec

from omnia_core.sessions.audit import ProviderCall, RuntimeEvent, ToolExecution, timestamp
from omnia_core.sessions.mongodb.client import Collections, Document
from omnia_core.sessions.mongodb.documents import provider_calls
from omnia_core.sessions.trail import MOST_RECORDS, SessionTrail, TrailRow, session_trail


async def find_trails(
    collections: Collections, *, session: Document, last: int
) -> Sequence[Document]:
    """Return the newest appends with a trail, the newest first."""
    wanted = {
        "session": session["_id"],
        "turn": {"$gt": session["turns"] - last},
        "trail": {"$exists": True},
    }
    fields = {"turn": 1, "trail": 1, "_id": 0}
    found = collections.messages.find(wanted, fields).sort("created_at", -1)
    return await found.limit(MOST_RECORDS).to_list()


def decode_trail(session: Document, appends: Sequence[Document]) -> SessionTrail:
    """Return the trail in the appends of `find_trails`."""
    call = partial(_rows, appends, provider_calls, "began_at", ProviderCall)
    tool = partial(_rows, appends, itemgetter("tool_calls"), "began_at", ToolExecution)
    event = partial(_rows, appends, itemgetter("events"), "at", RuntimeEvent)
    return session_trail(session["length"], session["turns"], (call(), tool(), event()))


def _rows(
    appends: Sequence[Document],
    records: Callable[[Document], list[Document]],
    time: str,
    record: type[ProviderCall | ToolExecution | RuntimeEvent],
) -> list[TrailRow]:
    """Return the records of a kind, the newest first."""
    rows: list[TrailRow] = []
    for append in appends:
        for found in reversed(records(append["trail"])):
            fields = found | {time: timestamp(found[time])}
            if "arguments" in fields:
                fields["arguments"] = ""
            rows.append((append["turn"], msgspec.convert(fields, record)))
            if len(rows) >= MOST_RECORDS:
                return rows
    return rows
