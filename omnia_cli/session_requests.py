"""Changes one session of an agent over HTTP."""

import http.client
from urllib.parse import quote, urlsplit

import orjson

from omnia_core.jsonvalue import json_bytes

_TIMEOUT_SECONDS = 10.0


class SessionRefused(Exception):
    """The session was not changed; the message is for people.

    Attributes:
        unknown: whether the agent does not know the session, or it is another user's.
    """

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


def cancel_turn(url: str, session_id: str, token: str | None) -> None:
    """Ask an agent, by the URL of its conversations, to cancel the running turn of a session.

    Raises:
        SessionRefused: the agent refuses, or cannot be reached.
    """
    _ask(url, token, "POST", f"/sessions/{quote(session_id, safe='')}/cancel")


def name_session(url: str, session_id: str, token: str | None, name: str) -> str:
    """Give a session of an agent, as `cancel_turn`, a name; return the name that it has then.

    Raises:
        SessionRefused: the agent refuses, or cannot be reached.
    """
    path = f"/api/sessions/{quote(session_id, safe='')}"
    answer = _ask(url, token, "PATCH", path, json_bytes({"name": name}))
    return str(orjson.loads(answer)["session_name"])


def _ask(url: str, token: str | None, method: str, path: str, body: bytes | None = None) -> bytes:
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, parts.path.removesuffix("/ws") + path, body, headers)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SessionRefused(f"{url} cannot be reached: {error}") from error
    finally:
        connection.close()
    if response.status in (http.client.OK, http.client.ACCEPTED):
        return answer
    try:
        detail = str(orjson.loads(answer)["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        detail = "this is not an agent of this version"
    unknown = response.status == http.client.NOT_FOUND
    raise SessionRefused(f"HTTP {response.status}: {detail}", unknown=unknown)
