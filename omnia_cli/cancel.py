"""Cancels the running turn of a session over HTTP."""

import http.client
from urllib.parse import quote, urlsplit

import orjson

_TIMEOUT_SECONDS = 10.0


class CancelFailed(Exception):
    """The turn was not cancelled; the message is for people.

    Attributes:
        unknown: whether the agent does not know the session, or it is another user's.
    """

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


def cancel_turn(url: str, session_id: str, token: str | None) -> None:
    """Ask an agent, by the URL of its conversations, to cancel the running turn of a session.

    Raises:
        CancelFailed: the agent refuses, or cannot be reached.
    """
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    path = f"{parts.path.removesuffix('/ws')}/sessions/{quote(session_id, safe='')}/cancel"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request("POST", path, headers=headers)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise CancelFailed(f"{url} cannot be reached: {error}") from error
    finally:
        connection.close()
    if response.status == http.client.ACCEPTED:
        return
    try:
        detail = str(orjson.loads(answer)["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        detail = "this is not an agent of this version"
    unknown = response.status == http.client.NOT_FOUND
    raise CancelFailed(f"HTTP {response.status}: {detail}", unknown=unknown)
