"""The requests and events of turns and voice calls, independent of any wire format."""

from typing import TypeAlias

from msgspec import Struct, field

from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.trial import Trial
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Advice


class HistoryMessage(Struct, frozen=True):
    """A message that was said elsewhere before a session begins; its role is user or assistant."""

    role: str
    content: str


class RequestTool(Struct, frozen=True):
    """A tool that a client offers for one turn and executes itself.

    Attributes:
        parameters: the JSON Schema of the arguments, as JSON text.
    """

    name: str
    description: str = ""
    parameters: str = '{"type":"object"}'


class TurnRequest(Struct, frozen=True):
    """A user message and its session.

    Attributes:
        traceparent: the span that the turn continues; "" without tracing.
        history: what was said before; read only when the session is new.
        tools: offered to the model in this turn, beside those of the agent.
        trial: for the first message of a session.
    """

    session_id: str
    content: str = ""
    parts: tuple[Part, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    consent_grants: tuple[str, ...] = ()
    traceparent: str = ""
    history: tuple[HistoryMessage, ...] = ()
    tools: tuple[RequestTool, ...] = ()
    trial: Trial | None = None

    @property
    def text(self) -> str:
        """The text of the message; parts win over content."""
        return "".join(part.text for part in self.parts) if self.parts else self.content


class CallRequest(Struct, frozen=True):
    """The start of a voice call, with the format of the user's audio."""

    session_id: str
    codec: str = "pcm"
    sample_rate: int = 16_000
    channels: int = 1


class AudioInput(Struct, frozen=True):
    """A piece of the user's audio in a call; after the last one the user sends no more."""

    data: bytes
    sequence: int
    is_last: bool = False


class ClientToolResult(Struct, frozen=True):
    """The client's result of a tool call as JSON text, or the reason why it rejected the call."""

    call_id: str
    result_json: str = ""
    rejection: str | None = None


class Transcript(Struct, frozen=True):
    """A piece of what somebody else than the agent said: the role is usually "user"."""

    text: str
    role: str


class MediaChunk(Struct, frozen=True):
    """A piece of streamed media; `data` is not encoded."""

    media_id: str
    sequence: int
    is_last: bool
    mime_type: str
    data: bytes


class Interruption(Struct, frozen=True):
    """The user has interrupted the agent: the client drops audio that it has not played."""


class SessionConfig(Struct, frozen=True):
    """The audio format that the runtime requests."""

    codec: str
    sample_rate: int
    channels: int


class RuntimeHello(Struct, frozen=True):
    """The first message of a runtime on a stream: its capabilities and the requested format."""

    capabilities: frozenset[str]
    config: SessionConfig | None = None


class ToolCallEvent(Struct, frozen=True):
    """The model called a tool; `by_client` if the client executes it.

    Attributes:
        output_schema: the JSON Schema of the client's result, as JSON text; "" for any value.
    """

    call: ToolCall
    by_client: bool = False
    consent_message: str = ""
    categories: tuple[str, ...] = ()
    output_schema: str = ""


class ToolResultEvent(Struct, frozen=True):
    """The result of a tool that the client does not execute."""

    call_id: str
    result: ToolResult


class Done(Struct, frozen=True):
    """The answer of a turn.

    Attributes:
        session_name: "" while the session has no name.
        pack_version: the version of the PromptPack that answered; "" if there is none.
        trial: whether the session tries something out.
    """

    content: str
    usage: Usage | None = None
    finish_reason: str = "stop"
    parts: tuple[Part, ...] = ()
    session_name: str = ""
    pack_version: str = ""
    trial: bool = False


class Failed(Struct, frozen=True):
    """The end of a turn without an answer.

    Attributes:
        undelivered: whether it is certain that the user's message reached nobody, so that a client
            may send it again by itself.
        trial: whether the session tries something out, as far as the runtime said.
        advice: for a person; None where the code says enough.
    """

    code: str
    message: str
    undelivered: bool = False
    trial: bool = False
    advice: Advice | None = None


class AnswerEnded(Struct, frozen=True):
    """The end of one answer in a call; the call continues."""

    done: Done


TurnEvent: TypeAlias = (
    Transcript
    | ToolCallEvent
    | ToolResultEvent
    | MediaChunk
    | Interruption
    | SessionConfig
    | AnswerEnded
)
