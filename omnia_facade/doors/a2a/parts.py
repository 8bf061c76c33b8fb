"""Parts of messages: those of A2A into those of a turn, and media of an answer into parts."""

from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from omnia_core.conversation.parts import Media
from omnia_core.conversation.parts import Part as TurnPart
from omnia_core.jsonvalue import json_bytes, parse_json
from omnia_facade.doors.a2a.messages import Part
from omnia_facade.doors.parts import data_part, media_part, text_part

_JSON = "application/json"
_PARAMETER = "message.parts"


def turn_parts(parts: Sequence[Part], public_url: str = "") -> tuple[TurnPart, ...]:
    """Return the parts of a client's message; data is passed on as JSON text.

    Raises:
        DoorFailed: media is neither base64 nor a URL that can be used.
    """
    return tuple(_turn_part(part, public_url) for part in parts)


def media_parts(media: Media) -> tuple[Part, ...]:
    """Return media of an answer: its JSON value, its bytes, or its URL."""
    name = media.filename or ""
    if media.data and media.mime_type == _JSON and (value := _json(media.data)) is not UNSET:
        return (Part(data=value, media_type=_JSON, filename=name),)
    if media.data:
        return (Part(raw=media.data, media_type=media.mime_type, filename=name),)
    if media.url:
        return (Part(url=media.url, media_type=media.mime_type, filename=name),)
    return ()


def _json(data: str) -> Any:
    """Return the value of JSON that is base64; UNSET if it is none."""
    try:
        return parse_json(b64decode(data))
    except ValueError:
        return UNSET


def _turn_part(part: Part, public_url: str) -> TurnPart:
    if part.text is not None:
        return text_part(part.text)
    if part.data is not UNSET:
        return text_part(json_bytes(part.data).decode())
    name = part.filename or None
    if part.raw is not None:
        return data_part(part.raw, part.media_type, parameter=_PARAMETER, filename=name)
    return media_part(
        part.url or "",
        part.media_type,
        parameter=_PARAMETER,
        filename=name,
        public_url=public_url,
    )
