"""What was said in a conversation before this client came."""

import http.client
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

import orjson

from omnia_core.jsonvalue import JsonObject

_TIMEOUT_SECONDS = 10.0


class Connected(Protocol):
    """What of a conversation leads to its agent."""

    session_id: str
    url: str
    token: str | None


@dataclass(frozen=True)
class Past:
    """The last turns: who said what; `earlier` counts the turns before them."""

    said: list[tuple[str, str]]
    earlier: int = 0


def past_turns(conversation: Connected, last: int) -> Past | None:
    """Return the last turns of a conversation; None where the agent does not tell them."""
    parts = urlsplit(conversation.url)
    secure = parts.scheme == "wss"
    make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    base = parts.path.removesuffix("/ws")
    path = f"{base}/api/sessions/{quote(conversation.session_id, safe='')}/turns?last={last}"
    headers = {"Authorization": f"Bearer {conversation.token}"} if conversation.token else {}
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        answer: JsonObject = orjson.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if response.status != http.client.OK:
        return None
    said = [
        (str(message["role"]), str(message.get("content", "")))
        for turn in answer["turns"]
        for message in turn["messages"]
        if message["role"] in ("user", "assistant") and message.get("content")
    ]
    return Past(said, int(answer.get("earlier", 0)))
