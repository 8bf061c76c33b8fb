"""Requests to an agent about itself and the sessions of its conversations."""

import http.client
from typing import Protocol
from urllib.parse import quote, urlsplit

import orjson

from omnia_core.jsonvalue import JsonObject, json_bytes

_TIMEOUT_SECONDS = 10.0


class Connected(Protocol):
    """What of a conversation leads to its agent."""

    session_id: str
    url: str
    token: str | None


def ask_about_session(
    conversation: Connected, method: str, what: str, body: JsonObject | None = None
) -> tuple[int, JsonObject] | None:
    """Return status and body of the answer at `/api/sessions/{id}/what`; None without one."""
    session = quote(conversation.session_id, safe="")
    return ask_agent(conversation, method, f"/api/sessions/{session}/{what}", body)


def ask_agent(
    conversation: Connected, method: str, path: str, body: JsonObject | None = None
) -> tuple[int, JsonObject] | None:
    """Return status and body of the answer at a path of the agent; None without one."""
    parts = urlsplit(conversation.url)
    make = http.client.HTTPSConnection if parts.scheme == "wss" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    base = parts.path.removesuffix("/ws")
    headers = {"Authorization": f"Bearer {conversation.token}"} if conversation.token else {}
    try:
        data = None if body is None else json_bytes(body)
        connection.request(method, base + path, data, headers)
        response = connection.getresponse()
        answer = orjson.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return (response.status, answer) if isinstance(answer, dict) else None
