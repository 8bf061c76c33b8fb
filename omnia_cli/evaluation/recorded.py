"""Recorded sessions, as the history API has them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from omnia_cli.history import HistoryClient, HistoryFailed
from omnia_core.conversation.usage import Usage
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_core.sessions.audit import EventKind
from omnia_core.sessions.recorded import RecordedSession, RecordedTurn
from omnia_core.units import Duration


class Chosen(Struct, frozen=True):
    """Which sessions are read.

    Attributes:
        ids: these sessions; () for those that began since a time.
        since: a duration until now.
        limit: the most sessions of a time.
    """

    ids: tuple[str, ...] = ()
    since: Duration | None = None
    limit: int = 100


class ReadSession(Struct, frozen=True):
    """A session that was read; `name` is for people."""

    name: str
    agent: str
    session: RecordedSession


def read_sessions(client: HistoryClient, chosen: Chosen, agent: str) -> list[ReadSession]:
    """Read sessions, those of a time the oldest first.

    Args:
        client: of the history.
        chosen: which sessions.
        agent: only its sessions, of those of a time.

    Raises:
        HistoryFailed: the history cannot be read, or a record of it.
    """
    if chosen.ids:
        found = [client.session(session_id) for session_id in dict.fromkeys(chosen.ids)]
    else:
        begin = datetime.now(UTC) - timedelta(seconds=chosen.since.seconds if chosen.since else 0)
        filters = (
            {"agent": agent, "from": begin.isoformat()} if agent else {"from": begin.isoformat()}
        )
        found = client.sessions(filters, chosen.limit)[::-1]
    return [_read(client, each) for each in found]


def _read(client: HistoryClient, session: JsonObject) -> ReadSession:
    session_id = str(session["id"])
    items = client.records(session_id, "messages").items
    try:
        messages = msgspec.convert([each["message"] for each in items], tuple[Message, ...])
    except (KeyError, msgspec.ValidationError) as error:
        raise HistoryFailed(f"session {session_id}: a message cannot be read: {error}") from error
    kept = sum(message.role == "user" for message in messages)
    first = int(items[0].get("position", 0)) if items else 0
    turns = {
        kind: client.records(session_id, kind).items
        for kind in ("provider-calls", "tool-calls", "events")
    }
    recorded = RecordedSession(
        session_id,
        messages,
        _turns(**{kind.replace("-", "_"): rows for kind, rows in turns.items()}),
        max(int(session.get("turns") or 0) - kept, 0) if first else 0,
    )
    return ReadSession(str(session.get("name") or session_id), str(session["agent"]), recorded)


def _turns(
    provider_calls: Sequence[JsonObject],
    tool_calls: Sequence[JsonObject],
    events: Sequence[JsonObject],
) -> dict[int, RecordedTurn]:
    usage: dict[int, Usage] = defaultdict(Usage)
    models: dict[int, float] = defaultdict(float)
    tools: dict[int, float] = defaultdict(float)
    for call in provider_calls:
        usage[call["turn"]] += Usage(
            call["input_tokens"], call["output_tokens"], call["cached_tokens"], call["cost_usd"]
        )
        models[call["turn"]] += call["duration_ms"]
    for call in tool_calls:
        tools[call["turn"]] += call["duration_ms"]
    blocked: dict[int, Any] = {
        event["turn"]: event["detail"]
        for event in events
        if event["kind"] in (EventKind.OUTPUT_BLOCKED, EventKind.INPUT_BLOCKED)
    }
    return {
        turn: RecordedTurn(
            usage[turn], models[turn] + tools[turn], models[turn], str(blocked.get(turn, ""))
        )
        for turn in {*usage, *blocked}
    }
