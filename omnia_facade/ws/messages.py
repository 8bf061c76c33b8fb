"""Text frames from the client, parsed and validated."""

import re
import sys
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.parts import Part
from omnia_core.conversation.trial import Trial
from omnia_core.jsonvalue import TooDeep, check_depth
from omnia_facade.backend.events import TurnRequest
from omnia_facade.backend.session_ids import SESSION_ID_PATTERN, SESSION_ID_RULE

# The first half of an escaped character beyond U+FFFF (RFC 8259, section 7).
_HIGH_SURROGATE = re.compile(r"\\u[dD][89abAB]")
PART_TYPES = ("text", "image", "audio", "video", "file")


class ToolResultBody(Struct, frozen=True):
    """The result of a client tool; with `error` a rejection."""

    call_id: str
    result: Raw = Raw(b"null")
    error: str | None = None


class ToolAckBody(Struct, frozen=True):
    """The client has received the call."""

    call_id: str


class ToolNackBody(Struct, frozen=True):
    """The client will not execute the call."""

    call_id: str
    reason: str | None = None


class UploadRequestBody(Struct, frozen=True):
    """The client wants to upload a file."""

    filename: str
    mime_type: str
    size_bytes: Annotated[int, Meta(ge=0)]


class ClientFrame(Struct, frozen=True):
    """A frame of any type; fields of other types are absent."""

    type: str
    session_id: str | None = None
    content: str | None = None
    parts: tuple[Part, ...] | None = None
    metadata: dict[str, str] | None = None
    trial: Trial | None = None
    consent_grants: tuple[str, ...] | None = None
    session_consent_grants: tuple[str, ...] | None = None
    tool_result: ToolResultBody | None = None
    tool_call_ack: ToolAckBody | None = None
    tool_call_nack: ToolNackBody | None = None
    upload_request: UploadRequestBody | None = None


class _Envelope(Struct):
    type: str


class FrameRefused(Exception):
    """A frame that cannot be accepted; the connection stays open."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


# The field with the payload of a type; "" for types without one.
_PAYLOAD = {
    "message": "",
    "tool_result": "tool_result",
    "tool_call_ack": "tool_call_ack",
    "tool_call_nack": "tool_call_nack",
    "cancel": "",
    "hangup": "",
    "upload_request": "upload_request",
}
KNOWN_TYPES = tuple(_PAYLOAD)
_decoder = msgspec.json.Decoder(ClientFrame)
_envelope = msgspec.json.Decoder(_Envelope)


def parse(data: str) -> ClientFrame:
    """Return the frame.

    Raises:
        FrameRefused: the frame is invalid; the message says what was expected.
    """
    try:
        check_depth(data)
        frame = _decoder.decode(data)
    except TooDeep as error:
        raise _invalid(f"the frame is {error}") from error
    except msgspec.ValidationError as error:
        raise _refusal(data, error) from error
    except msgspec.DecodeError as error:
        raise _invalid(f"the frame is not JSON: {error}") from error
    _check(frame)
    return frame


def held_bytes(text: str) -> int:
    """Return how much memory the strings of a message may take: up to four times its characters.

    One character beyond U+FFFF makes each character of its string take four bytes, and one beyond
    U+00FF makes each take two.
    """
    if _HIGH_SURROGATE.search(text):
        return 4 * len(text)
    size = sys.getsizeof(text)
    return max(size, 2 * len(text)) if "\\u" in text else size


def turn_request(frame: ClientFrame, session_id: str) -> TurnRequest:
    """Return the turn that a message requests."""
    return TurnRequest(
        session_id=session_id,
        content=frame.content or "",
        parts=frame.parts or (),
        metadata=frame.metadata or {},
        trial=frame.trial,
        consent_grants=(frame.consent_grants or ()) + (frame.session_consent_grants or ()),
    )


def _refusal(data: str, error: msgspec.ValidationError) -> FrameRefused:
    """Return the refusal; an unknown type is reported before wrong fields."""
    try:
        frame_type = _envelope.decode(data).type
    except msgspec.DecodeError:
        return _invalid(f'expected an object with a string "type": {error}')
    return _unknown(frame_type) if frame_type not in _PAYLOAD else _invalid(str(error))


def _check(frame: ClientFrame) -> None:
    payload = _PAYLOAD.get(frame.type)
    if payload is None:
        raise _unknown(frame.type)
    if payload and getattr(frame, payload) is None:
        raise _invalid(f'a frame of type "{frame.type}" needs an object "{payload}"')
    if frame.session_id and not SESSION_ID_PATTERN.fullmatch(frame.session_id):
        raise invalid_session_id()
    if frame.type == "message":
        _check_message(frame)


def _check_message(frame: ClientFrame) -> None:
    if not frame.content and not frame.parts:
        raise _invalid('a message needs "content" (a string) or "parts" (an array)')
    for index, part in enumerate(frame.parts or ()):
        if part.type not in PART_TYPES:
            raise _invalid(f"expected one of {', '.join(PART_TYPES)} - at `$.parts[{index}].type`")
        if part.type != "text" and part.media is None:
            raise _invalid(f"expected an object - at `$.parts[{index}].media`")


def _invalid(message: str) -> FrameRefused:
    return FrameRefused(ErrorCode.INVALID_MESSAGE, message)


def _unknown(frame_type: str) -> FrameRefused:
    return _invalid(
        f'unknown message type "{frame_type[:64]}"; expected one of {", ".join(KNOWN_TYPES)}'
    )


def refused_trial() -> FrameRefused:
    """Return the refusal of a trial where none is allowed."""
    return _invalid(
        "trial: this agent tries nothing out; leave it out, or set OMNIA_TRIAL of its containers"
    )


def invalid_session_id() -> FrameRefused:
    """Return the refusal of a session id."""
    return _invalid(f"a session_id has {SESSION_ID_RULE}")
