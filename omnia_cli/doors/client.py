"""The port of a client: one message over a protocol, and the answer piece by piece."""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
from msgspec import Struct

from omnia_core.jsonvalue import JsonObject, json_bytes

# A turn may be silent for some time; the agent sends comments meanwhile.
TIMEOUT_SECONDS = 150.0


class DoorUnusable(Exception):
    """The agent cannot be reached over this protocol, or refused; the message is for people."""


class Note(Struct, frozen=True):
    """An event of an answer that is not its text: a tool call, an error, its end.

    Attributes:
        failed: whether the turn failed.
    """

    text: str
    failed: bool = False


class DoorClient(Protocol):
    """Sends messages of one session."""

    def send(self, text: str, session_id: str) -> Iterator[str | Note]:
        """Yield the pieces of the answer.

        Raises:
            DoorUnusable: there is no answer.
        """


class Address(Struct, frozen=True):
    """Where an agent is, and its credential.

    Attributes:
        url: of any path of the agent, over WebSocket or HTTP.
    """

    url: str
    token: str | None = None

    @contextmanager
    def post(
        self, path: str, body: JsonObject, headers: Mapping[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request, and leave the response to be read.

        Raises:
            DoorUnusable: there is no response, or it is an error.
        """
        parts = urlsplit(self.url)
        secure = parts.scheme in ("https", "wss")
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = make(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        sent = {"Content-Type": "application/json", **(headers or {})}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        try:
            connection.request("POST", path, json_bytes(body), sent)
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise DoorUnusable(_refusal(path, response.status, response.read()))
            yield response
        except (OSError, http.client.HTTPException) as error:
            raise DoorUnusable(f"{self.url} cannot be reached: {error}") from error
        finally:
            connection.close()


def events(response: http.client.HTTPResponse) -> Iterator[JsonObject]:
    """Yield the data of server-sent events, up to `[DONE]` or the end."""
    for line in response:
        if line.startswith(b"data: "):
            data = line.removeprefix(b"data: ").strip()
            if data == b"[DONE]":
                return
            event: JsonObject = orjson.loads(data)
            yield event


def _refusal(path: str, status: int, body: bytes) -> str:
    """Return the message of an error, for any form of its body."""
    try:
        said: Any = orjson.loads(body)
        error = said.get("error")
        told = error["message"] if isinstance(error, dict) else said.get("message")
        told = told or said.get("detail") or ""
    except (ValueError, AttributeError, KeyError):
        told = ""
    text = f"{path} answered with HTTP {status}" + (f": {told}" if told else "")
    if status == http.client.UNAUTHORIZED:
        text += "\nGive a credential with --token, or in the environment as OMNIA_TOKEN"
    elif status == http.client.NOT_FOUND and not told:
        text += "\nThe agent may not serve this protocol: see facade.doors in its manifest"
    return text
