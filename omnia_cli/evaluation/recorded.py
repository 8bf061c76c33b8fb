"""Recorded sessions, as the history API has them."""

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from omnia_cli.history import HistoryClient, HistoryFailed, of_agent
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import DeletedMessages, Message, Session
from omnia_core.sessions.recorded import RecordedSession, with_trail
from omnia_core.units import Duration

_USED = ("input_tokens", "output_tokens", "cached_tokens", "cost_usd", "duration_ms")


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
        filters = {**of_agent(agent), "from": begin.isoformat()}
        found = client.sessions(filters, chosen.limit)[::-1]
    return [_read(client, each) for each in found]


def _read(client: HistoryClient, session: JsonObject) -> ReadSession:
    session_id = str(session["id"])
    items = client.records(session_id, "messages").items
    try:
        messages = msgspec.convert([item["message"] for item in items], tuple[Message, ...])
    except (KeyError, msgspec.ValidationError) as error:
        raise HistoryFailed(f"session {session_id}: a message cannot be read: {error}") from error
    first = int(items[0].get("position", 0)) if items else 0
    turns = int(session.get("turns") or 0)
    kept = sum(message.role == "user" for message in messages)
    deleted = DeletedMessages(first, max(turns - kept, 0)) if first else None
    calls, tools, events = (
        client.records(session_id, kind).items
        for kind in ("provider-calls", "tool-calls", "events")
    )
    recorded = with_trail(
        Session(session_id, messages, deleted=deleted),
        turns,
        [(call["turn"], *(call[name] for name in _USED)) for call in calls if call["attempt"]],
        [(tool["turn"], tool["duration_ms"]) for tool in tools],
        [
            (event["turn"], datetime.fromisoformat(event["at"]), event["kind"], event["detail"])
            for event in events
        ],
    )
    return ReadSession(str(session.get("name") or session_id), str(session["agent"]), recorded)
