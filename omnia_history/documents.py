"""The rows that the documents of MongoDB are to the other databases, without I/O."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from omnia_core.sessions.mongodb.client import Document
from omnia_core.sessions.mongodb.documents import decode_messages, provider_calls
from omnia_history.database import Row
from omnia_history.records import EvalResultView

# By the last segment of the path: the list in the trail of an append.
TRAILS = {
    "tool-calls": "tool_calls",
    "provider-calls": "provider_calls",
    "events": "events",
}
RESULT_FIELDS = EvalResultView.__struct_fields__
# Numbers of the records of one append, which follow those of the appends before it in time.
MAX_RECORDS = 1000


def session_row(session: Document) -> Row:
    """Return the row of a session."""
    return session | {
        "key": str(session["_id"]),
        "id": session["session_id"],
        "ended": session["expires_at"] <= datetime.now(UTC),
        "messages": session["length"],
        "messages_deleted": session["first"],
    }


def eval_row(result: Document) -> Row:
    """Return the row of a result of an evaluation."""
    # BSON's own type of long numbers is no number for an encoder of JSON.
    return {"number": int(result["number"]), **{name: result[name] for name in RESULT_FIELDS}}


def numbered_messages(append: Document) -> list[Row]:
    """Return the messages of an append with their turns, whose last one is that of the append."""
    turn, rows = append["turn"], list[Row]()
    for row in reversed(messages(append) if append["messages"] else ()):
        rows.append({**row, "turn": turn})
        turn -= row["role"] == "user"
    return rows


def messages(append: Document) -> list[Row]:
    """Return the rows of the messages of an append."""
    found = decode_messages(append)
    return [
        {
            "number": position,
            "created_at": append["created_at"],
            "role": message.role,
            "record": msgspec.json.encode(message),
        }
        for position, message in enumerate(found, append["to"] - len(found))
    ]


def trail_records(name: str) -> Callable[[Document], list[Row]]:
    """Return what makes the rows of one list in the trail of an append."""

    def records(append: Document) -> list[Row]:
        first = round(append["created_at"].timestamp() * 1000) * MAX_RECORDS
        return [
            {"number": first + index, "turn": append["turn"], **record}
            for index, record in enumerate(_records(append["trail"], name))
        ]

    return records


def _records(trail: Document, name: str) -> list[Document]:
    found: list[Document] = trail[name]
    return provider_calls(trail) if name == TRAILS["provider-calls"] else found
