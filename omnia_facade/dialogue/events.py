"""What goes into a turn and what comes out of it, in no wire's format."""

from typing import TypeAlias

from msgspec import Struct, field

from omnia_core.conversation.parts import Part
from omnia_core.conversation.usage import Usage


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


class CallRequest(Struct, frozen=True):
    """A voice call that the user begins, and the form of the audio that he sends."""

    session_id: str
    codec: str = "pcm"
    sample_rate: int = 16_000
    channels: int = 1


class Audio(Struct, frozen=True):
    """The next audio of a call; after the last the user says nothing more."""

    data: bytes
    sequence: int
    is_last: bool = False


class ToolAnswer(Struct, frozen=True):
    """The client's answer to a tool call: a result (JSON text), or why there is none."""

    call_id: str
    result_json: str = ""
    rejection: str | None = None


class Chunk(Struct, frozen=True):
    """The next piece of the answer, or with the role "user" of what the user was heard to say."""

    text: str
    role: str = ""


class MediaChunk(Struct, frozen=True):
    """The next piece of media that is streamed; `data` is not encoded."""

    media_id: str
    sequence: int
    is_last: bool
    mime_type: str
    data: bytes


class Interruption(Struct, frozen=True):
    """The user has spoken up: what was not played yet is void."""


class SessionConfig(Struct, frozen=True):
    """The form of audio that the runtime asks for."""

    codec: str
    sample_rate: int
    channels: int


class Hello(Struct, frozen=True):
    """The first thing that a runtime says on a stream: what it can do, and asks for."""

    capabilities: frozenset[str]
    config: SessionConfig | None = None


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


class Failed(Struct, frozen=True):
    """The turn's end when there is no answer."""

    code: str
    message: str


class AnswerEnded(Struct, frozen=True):
    """One answer of a call has ended; the call goes on."""

    done: Done


TurnEvent: TypeAlias = (
    Chunk
    | ToolCall
    | ToolResult
    | MediaChunk
    | Interruption
    | SessionConfig
    | AnswerEnded
    | Done
    | Failed
)
