"""The documents of sessions, without I/O: how they are made, and what follows from an append.

A document of `messages` is one append: its messages, its part of the audit trail, and its place in
the session. Sessions, users, summaries and daily sums follow from the appends.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import msgspec
from bson import ObjectId
from msgspec import Struct, structs

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions.audit import AuditTrail, ProviderCall, timestamp
from omnia_core.sessions.daily import daily_calls
from omnia_core.sessions.escaping import escape_nul, replace_nul
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.latency import BOUNDS, histogram
from omnia_core.sessions.mongodb.client import Document
from omnia_core.sessions.recorded import RecordedSession, with_trail
from omnia_core.sessions.records import Message, Session
from omnia_core.sessions.sweeping import RetentionTerms

# MongoDB's limit for a document is 16 MiB; the rest is for what the server adds.
MAX_DOCUMENT_BYTES = 15 << 20
# How many appends a daily sum remembers, so that none is added twice.
_REMEMBERED = 64
_NO_BUCKET = "more"
_FIRST_WORDS = "first_words_ms"
_TOKENS_AND_COST = ("input_tokens", "output_tokens", "cached_tokens", "cost_usd")
BUCKET_NAMES = (*(f"le_{bound}" for bound in BOUNDS), _NO_BUCKET)


class AppendTooLarge(OmniaError):
    """The messages of an append, or a checkpoint, are too large for a document."""

    def __init__(self, size: int) -> None:
        super().__init__(
            Code.INVALID_ARGUMENT,
            f"the messages of this turn have {size} bytes, and MongoDB stores at most"
            f" {MAX_DOCUMENT_BYTES} at once: send a shorter message, or media by URL",
        )


class NumberTooLarge(OmniaError):
    """A number of an append has more than the 64 bits of MongoDB's integers."""

    def __init__(self) -> None:
        super().__init__(
            Code.INVALID_ARGUMENT,
            "a number in the messages of this turn has more than 64 bits, which MongoDB cannot"
            " store: send a smaller one",
        )


class Owner(Struct, frozen=True):
    """The agent whose sessions these are."""

    namespace: str
    agent: str

    def open_name(self, session_id: str) -> str:
        """Return the unique name of a session that has not ended."""
        return f"{self.namespace}/{self.agent}/{escape_nul(session_id)}"


class DailySum(Struct, frozen=True):
    """What an append adds to a document of `daily_turns` or `daily_calls`.

    Attributes:
        sums: fields and what is added to each.
        key: the fields that the document begins with.
    """

    id: str
    key: Document
    sums: Document


def now() -> datetime:
    """Return the time in UTC with the precision of BSON, a millisecond."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def stamps(time: datetime, ttl: timedelta, keep: timedelta) -> Document:
    """Return the times of a session that is used at `time`.

    `kept_until` is when it is deleted, which is never before its end.
    """
    return {
        "used_at": time,
        "expires_at": time + ttl,
        "kept_until": time + max(ttl, keep),
        "trial_stage": 0,
    }


def trial_stage(session: Document, terms: RetentionTerms, time: datetime) -> int:
    """Return what a dry-run policy would have done: 1 ended it, 2 deleted it, 0 neither."""
    if terms.trial_ttl is None or terms.trial_keep is None:
        return 0
    unused = time - session["used_at"]
    if unused >= terms.trial_keep:
        return 2
    return int(unused >= terms.trial_ttl)


def new_session(owner: Owner, session_id: str, time: datetime) -> Document:
    """Return a session without messages, which counts as none until its first append."""
    return {
        "_id": ObjectId(),
        "open": owner.open_name(session_id),
        "namespace": owner.namespace,
        "agent": owner.agent,
        "session_id": escape_nul(session_id),
        "tag": "agent",
        "user_id": "",
        "status": "completed",
        "pack_version": "",
        "name": "",
        "begun_at": time,
        "active_at": time,
        "ended": False,
        "length": 0,
        "first": 0,
        "first_turn": 0,
        "emptied": 0,
        "turns": 0,
        "tool_calls": 0,
        "provider_calls": 0,
        "provider_errors": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cached_tokens": 0,
        "cost_usd": 0.0,
        "trial_first": 0,
    }


def of_id(owner: Owner, session_id: str) -> Document:
    """Return the filter of the sessions with an id, of which one has not ended, if any."""
    return {
        "namespace": owner.namespace,
        "agent": owner.agent,
        "session_id": escape_nul(session_id),
    }


def ended(key: ObjectId) -> Document:
    """Return the update that ends a session, whose id is free then."""
    return {"$set": {"open": f"#{key}", "ended": True}, "$unset": {"checkpoint": ""}}


def append_id(key: ObjectId, position: int) -> str:
    """Return the id of an append. It is what lets only one writer append at a position."""
    return f"{key}:{position}"


def append_document(
    session: Document,
    messages: Sequence[Message],
    audit: AuditTrail | None,
    *,
    writer: str,
    time: datetime,
) -> Document:
    """Return the document of an append to `session`; `writer` is unique to the append."""
    first: int = session["length"]
    document: Document = {
        "_id": append_id(session["_id"], first),
        "writer": writer,
        "session": session["_id"],
        "namespace": session["namespace"],
        "agent": session["agent"],
        "session_id": session["session_id"],
        "from": first,
        "to": first + len(messages),
        "turn": session["turns"] + (audit.turns if audit else 0),
        # where turns begin, for a policy that deletes whole turns
        "begins": [first + at for at, each in enumerate(messages) if each.role == "user"],
        "created_at": time,
        **encode_messages(messages),
    }
    if audit:
        document["trail"] = _trail(audit)
    return document


def encode_messages(messages: Iterable[Message]) -> Document:
    """Return messages as sub-documents in the field `messages`.

    Not every server of the protocol can store the character NUL: text with one becomes binary, and
    the field `has_nul` says so.
    """
    found = [msgspec.to_builtins(message) for message in messages]
    if b"\\u0000" not in msgspec.json.encode(found):
        return {"messages": found}
    return {"messages": _texts(found, _binary), "has_nul": True}


def decode_messages(document: Document) -> list[Message]:
    """Return the messages in the field `messages`."""
    found = document["messages"]
    if document.get("has_nul"):
        found = _texts(found, _text)
    return msgspec.convert(found, list[Message])


def checked(document: Document) -> Document:
    """Return a document that MongoDB can store.

    Raises:
        AppendTooLarge: it is too large.
        NumberTooLarge: a number in it is.
    """
    try:
        size = len(bson.encode(document))
    except OverflowError:
        raise NumberTooLarge from None
    if size > MAX_DOCUMENT_BYTES:
        raise AppendTooLarge(size)
    return document


def _trail(audit: AuditTrail) -> Document:
    trail: Document = _texts(msgspec.to_builtins(audit), replace_nul)
    # Beside the calls and not in them: the history of earlier versions refuses fields of a call
    # that it does not know.
    trail[_FIRST_WORDS] = [call.pop("first_word_ms") for call in trail["provider_calls"]]
    for call in (*trail["provider_calls"], *trail["tool_calls"]):
        call["began_at"] = _date(call["began_at"])
    for event in trail["events"]:
        event["at"] = _date(event["at"])
    return trail


def provider_calls(trail: Document) -> list[Document]:
    """Return the calls of models in a trail, each with all its fields."""
    calls: list[Document] = trail["provider_calls"]
    first_words = trail.get(_FIRST_WORDS) or [None] * len(calls)
    return [call | {"first_word_ms": first} for call, first in zip(calls, first_words, strict=True)]


def session_update(append: Document) -> Document:
    """Return the update of a session after an append to it.

    It is for a session with the length before the append, and gives it the length after it: so
    whoever finds that it was not made may make it, and nothing is added twice.
    """
    fields: Document = {"length": append["to"], "active_at": append["created_at"]}
    if append["from"] == 0:
        first = decode_messages(append)[0]
        fields["user_id"] = escape_nul(first.user_id)
        fields["pack_version"] = escape_nul(first.pack_version)
    update: Document = {"$set": fields, "$unset": {"checkpoint": ""}}
    trail = append.get("trail")
    if trail:
        fields |= {"turns": append["turn"], "tag": trail["tag"]}
        if trail["status"] is not None:
            fields["status"] = trail["status"]
        update["$inc"] = trail_sums(trail)
    return update


def trail_sums(trail: Document) -> Document:
    """Return what a part of the audit trail adds to its session."""
    calls = trail["provider_calls"]
    return {
        "tool_calls": len(trail["tool_calls"]),
        "provider_calls": len(calls),
        "provider_errors": sum(call["status"] == "error" for call in calls),
        **{name: sum(call[name] for call in calls) for name in _TOKENS_AND_COST},
    }


def recorded(session: Session, appends: Sequence[Document]) -> RecordedSession:
    """Return a session with what the trails of its appends tell of its turns."""
    trails = [(each["turn"], each["trail"]) for each in appends if "trail" in each]
    models = [
        (turn, *(call[name] for name in (*_TOKENS_AND_COST, "duration_ms")))
        for turn, trail in trails
        for call in trail["provider_calls"]
        if call["attempt"]
    ]
    tools = [(turn, call["duration_ms"]) for turn, trail in trails for call in trail["tool_calls"]]
    events = [
        (turn, event["at"], event["kind"], event["detail"])
        for turn, trail in trails
        for event in trail["events"]
    ]
    return with_trail(session, appends[-1]["turn"], models, tools, events)


OF_A_TRAIL = ("namespace", "agent", "session_id", "turns")
"""The fields of a session that `trail_document` needs."""


def naming_document(
    session: Document, audit: AuditTrail, *, writer: str, time: datetime
) -> Document:
    """Return the document of a naming, which has a part of the audit trail and no messages."""
    made = trail_document(session, audit, id_=f"{session['_id']}:name:{writer}", time=time)
    return {**made, "writer": writer}


def trail_document(session: Document, audit: AuditTrail, *, id_: str, time: datetime) -> Document:
    """Return a document with a part of the audit trail of a session, and without messages."""
    return {
        "_id": id_,
        "session": session["_id"],
        **{name: session[name] for name in ("namespace", "agent")},
        "session_id": session["session_id"],
        "turn": session["turns"],
        "created_at": time,
        "messages": [],
        "trail": _trail(audit),
    }


def daily_sums(append: Document) -> tuple[DailySum | None, list[DailySum]]:
    """Return what an append adds to the turns of its day, and to the calls of its models."""
    trail = append.get("trail")
    if not trail:
        return None, []
    day = append["created_at"].date().isoformat()
    key = {"namespace": append["namespace"], "agent": append["agent"], "day": day}
    id_ = "/".join(key.values())
    turns = None
    if trail["turn_ms"] is not None:
        sums = {"turns": 1, "errors": int(trail["status"] == "error")}
        turns = DailySum(id_, key, sums | _buckets(histogram((trail["turn_ms"],))))
    made = [call | {"began_at": ""} for call in trail["provider_calls"]]
    return turns, _daily_calls(key, msgspec.convert(made, list[ProviderCall]))


def _daily_calls(key: Document, made: Sequence[ProviderCall]) -> list[DailySum]:
    """Return what calls add to the sums of an agent and a day, which are the values of `key`."""
    id_, calls = "/".join(key.values()), []
    for each in daily_calls(made):
        model = {"provider": each.provider, "model": each.model}
        sums = {name: getattr(each, name) for name in ("calls", "errors", *_TOKENS_AND_COST)}
        calls.append(
            DailySum(
                f"{id_}/{each.provider}/{each.model}", key | model, sums | _buckets(each.buckets)
            )
        )
    return calls


def judge_sums(owner: Owner, calls: Sequence[ProviderCall], time: datetime) -> list[DailySum]:
    """Return what requests to judges add to the sums of their agent and the day of `time`."""
    key = {"namespace": owner.namespace, "agent": owner.agent, "day": time.date().isoformat()}
    return _daily_calls(key, calls)


def result_document(session: Document, result: EvalResult, number: int) -> Document:
    """Return the document of a result, whose id exists once; `number` orders those of a session."""
    fields: Document = _texts(structs.asdict(result), replace_nul)
    return fields | {
        "_id": f"{session['_id']}:{result.key}",
        "number": number,
        "session": session["_id"],
        **{name: session[name] for name in ("namespace", "agent", "session_id")},
        "at": _date(result.at),
    }


def decode_result(document: Document, session_id: str) -> EvalResult:
    """Return the result in a document."""
    fields = {name: document[name] for name in EvalResult.__struct_fields__}
    times = {"session": session_id, "at": timestamp(document["at"])}
    return msgspec.convert(fields | times, EvalResult)


def daily_update(added: DailySum, append: str) -> tuple[Document, Document]:
    """Return the filter and the update that add an append to a sum, once.

    The sum remembers the last appends, each in one of a few places. An append may be added a second
    time if its writer died in between and another one took the same place since.
    """
    place = f"seen.at_{zlib.crc32(append.encode()) % _REMEMBERED}"
    return (
        {"_id": added.id, place: {"$ne": append}},
        {"$inc": added.sums, "$set": {place: append}, "$setOnInsert": added.key},
    )


def user_update(
    append: Document, session_user: str, keep: timedelta
) -> tuple[Document, Document] | None:
    """Return the filter and the update of the user of an append.

    It is the sender of its first message, else whoever began the session, as stored: the answer
    belongs to them too, so that `last_seen` is when their session was last active.
    """
    sender = next((each.user_id for each in decode_messages(append) if each.user_id), "")
    user = escape_nul(sender) or session_user
    if not user:
        return None
    owner = {"namespace": append["namespace"], "agent": append["agent"], "user_id": user}
    time = append["created_at"]
    return (
        {"_id": "/".join(owner.values())},
        {
            "$setOnInsert": owner | {"first_seen": time},
            "$max": {"last_seen": time},
            "$set": {"kept_until": time + keep},
        },
    )


def summaries(append: Document) -> list[Document]:
    """Return the summaries among the messages of an append, each a document of its own."""
    return [
        {
            "_id": append_id(append["session"], position),
            "position": position,
            **{
                name: append[name]
                for name in ("session", "namespace", "agent", "session_id", "created_at")
            },
            "covers": message.get("covers", 0),
            "content": message.get("content", ""),
        }
        for position, message in enumerate(append["messages"], append.get("from", 0))
        if message["role"] == "summary"
    ]


def first_kept(begins: Sequence[int], length: int, most: int) -> int:
    """Return the position of the first message to keep when at most `most` are kept.

    A turn begins there; `begins` are the positions of those. The last turn is kept as a whole.
    """
    within = (at for at in begins if at >= length - most)
    return next(within, begins[-1] if begins else 0)


def _buckets(counts: Sequence[int]) -> Document:
    return {
        f"latency.{name}": count for name, count in zip(BUCKET_NAMES, counts, strict=True) if count
    }


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _texts(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a JSON-like value in which each text, and each binary, is changed."""
    match value:
        case str() | bytes():
            return change(value)
        case dict():
            return {name: _texts(item, change) for name, item in value.items()}
        case list() | tuple():
            return [_texts(item, change) for item in value]
        case _:
            return value


def _binary(text: str) -> str | bytes:
    return text.encode() if "\0" in text else text


def _text(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else stored.decode()
