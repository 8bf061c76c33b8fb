"""What goes into a turn and what comes out of it, in no wire's format."""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct, field


class Media(Struct, frozen=True, omit_defaults=True):
    """Content that is not text: inline (base64), at an address, or stored."""

    mime_type: str = ""
    data: str = ""
    url: str = ""
    storage_ref: str = ""


class Part(Struct, frozen=True, omit_defaults=True):
    """A piece of a message; `type` is text, image, audio, video or file."""

    type: str
    text: str = ""
    media: Media | None = None


class TurnRequest(Struct, frozen=True):
    """One user message and the session to which it belongs.

    Attributes:
        traceparent: the span that the turn continues, "" where nothing is traced.
    """

    session_id: str
    content: str = ""
    parts: tuple[Part, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    consent_grants: tuple[str, ...] = ()
    traceparent: str = ""

    @property
    def text(self) -> str:
        """What the user wrote; parts win over content."""
        return "".join(part.text for part in self.parts) if self.parts else self.content


class ToolAnswer(Struct, frozen=True):
    """The client's answer to a tool call: a result (JSON text), or why there is none."""

    call_id: str
    result_json: str = ""
    rejection: str | None = None


class Usage(Struct, frozen=True):
    """What a turn or a call consumed."""

    input_tokens: int
    output_tokens: int
    cost_usd: float


class Chunk(Struct, frozen=True):
    """The next piece of the answer."""

    text: str


class ToolCall(Struct, frozen=True):
    """The model calls a tool; `by_client` when the client has to execute it."""

    id: str
    name: str
    arguments_json: str = "{}"
    by_client: bool = False
    consent_message: str = ""
    categories: tuple[str, ...] = ()


class ToolResult(Struct, frozen=True):
    """What a tool that the client need not execute returned."""

    id: str
    result_json: str
    is_error: bool = False


class Done(Struct, frozen=True):
    """The turn's end."""

    content: str
    usage: Usage | None = None
    finish_reason: str = "stop"
    parts: tuple[Part, ...] = ()


class ErrorCode(StrEnum):
    """What a client may have to react to. A runtime's own codes are passed on as they are."""

    INVALID_MESSAGE = "INVALID_MESSAGE"
    SESSION_EXPIRED = "SESSION_EXPIRED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    AGENT_UNAVAILABLE = "AGENT_UNAVAILABLE"
    TOOL_FAILED = "TOOL_FAILED"
    MEDIA_NOT_ENABLED = "MEDIA_NOT_ENABLED"
    RATE_LIMITED = "RATE_LIMITED"


class Failed(Struct, frozen=True):
    """The turn's end when there is no answer."""

    code: str
    message: str


TurnEvent: TypeAlias = Chunk | ToolCall | ToolResult | Done | Failed

CANCELLED = "cancelled"
