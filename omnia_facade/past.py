"""`GET /api/sessions/{id}/turns`: the last turns of a session, for its user."""

import re
from collections.abc import Iterator, Sequence

import orjson

from omnia_core.conversation.parts import Part
from omnia_core.http.errors import HttpError
from omnia_core.http.head import RequestHead
from omnia_core.jsonvalue import JsonObject
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import Backend, Reading, Resume, SaidMessage
from omnia_facade.entrance.admission import SessionPath
from omnia_facade.entrance.errors import RETRY_NOW
from omnia_facade.recorded import recorded_fields

LONGEST = 100
_PATH = re.compile(r"/api/sessions/([A-Za-z0-9._:-]{1,128})/turns")
_METHODS = ("GET", "HEAD")


class PastTurns:
    """Answers the requests for the turns of a session."""

    status = 200
    hint = "read a conversation with GET /api/sessions/{id}/turns"

    def __init__(
        self, backend: Backend, allowed_origins: Sequence[str], *, local: bool, inside: bool = False
    ) -> None:
        """`inside`: whether callers may know what the agent is made of; the rest: `SessionPath`."""
        self._backend = backend
        self._inside = inside
        self._path = SessionPath(_PATH, _METHODS, allowed_origins, local)
        self.serves = self._path.serves

    async def answer(self, head: RequestHead, principal: Principal) -> JsonObject:
        """Return the last turns.

        Raises:
            HttpError: they cannot be read.
        """
        session_id = self._path.session_of(head)
        if not session_id:
            raise _not_found()
        reading = await self._backend.read(session_id, principal, _last(head))
        match reading.resume:
            case Resume.RESUMABLE:
                return _document(session_id, reading, inside=self._inside)
            case Resume.NOT_FOUND:
                raise _not_found()
            case Resume.UNAVAILABLE:
                detail = "the session cannot be read at present; try again"
                raise HttpError(503, "session_store_unavailable", detail, RETRY_NOW)
            case None:
                detail = (
                    "this agent returns no earlier turns: its runtime does not store or read them"
                )
                raise HttpError(409, "turns_unsupported", detail)


def _last(head: RequestHead) -> int:
    """Return the number of requested turns."""
    given = head.parameter("last")
    if given is None:
        return 0
    if not (given.isascii() and given.isdecimal() and 1 <= int(given[:4]) <= LONGEST):
        raise HttpError(
            400, "invalid_request", f"last: expected a number from 1 to {LONGEST}, found {given!r}"
        )
    return int(given)


def _not_found() -> HttpError:
    return HttpError(
        404,
        "session_not_found",
        "the session is unknown or has expired; with session.type memory only the pod that has the"
        " session knows it",
    )


def _document(session_id: str, reading: Reading, *, inside: bool) -> JsonObject:
    turns: list[JsonObject] = []
    for message in reading.messages:
        if message.role == "user" or not turns:
            turns.append({"messages": []})
        turns[-1]["messages"].append(dict(_fields(message)))
        turns[-1].update(_answered_by(message))
    for number, turn in enumerate(turns, reading.earlier_turns + 1):
        turn.update(recorded_fields(reading, number, inside=inside))
    return {
        "session_id": session_id,
        "session_name": reading.session_name,
        "earlier": reading.earlier_turns,
        "turns": turns,
    }


def _answered_by(message: SaidMessage) -> Iterator[tuple[str, object]]:
    if message.pack_version:
        yield "pack_version", message.pack_version
    if message.variant:
        yield "variant", message.variant
    if message.variables is not None:
        yield "variables", message.variables


def _fields(message: SaidMessage) -> Iterator[tuple[str, object]]:
    yield "role", message.role
    if message.role == "tool":
        yield "tool_call_id", message.tool_call_id
        yield ("error" if message.is_error else "result"), _value(message.content)
    else:
        yield "content", message.content
    if message.parts:
        yield "media", [dict(_media(part)) for part in message.parts]
    if message.tool_calls:
        yield (
            "tool_calls",
            [
                {"id": call.id, "name": call.name, "arguments": _value(call.arguments)}
                for call in message.tool_calls
            ],
        )
    if message.finish_reason:
        yield "finish_reason", message.finish_reason
    if message.created_at:
        yield "created_at", message.created_at


def _media(part: Part) -> Iterator[tuple[str, str]]:
    yield "type", part.type
    if part.media:
        yield "mime_type", part.media.mime_type
        if part.media.url:
            yield "url", part.media.url
        if part.media.storage_ref:
            yield "storage_ref", part.media.storage_ref


def _value(text: str) -> object:
    """Return the JSON value of a text; a text that is not JSON as it is."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
