"""The port to a chat model: its requests, its events and its errors."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.parts import Part
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Advice, Code, OmniaError
from omnia_core.files.pack import Parameters
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message

ToolChoice: TypeAlias = Literal["auto", "required", "none"]


class ToolSpec(Struct, frozen=True):
    """A tool as the model sees it.

    Attributes:
        input_schema: a JSON Schema.
        on_client: whether the client of the conversation executes it.
    """

    name: str
    description: str
    input_schema: JsonObject
    on_client: bool = False


class OutputSchema(Struct, frozen=True):
    """The JSON Schema of a function's output."""

    name: str
    schema: JsonObject


class ChatRequest(Struct, frozen=True):
    """One model call.

    Attributes:
        messages: the conversation, without summaries. Every media part has its bytes in
            `media.data`, or an http(s) URL that the vendor fetches.
        metadata: that of the client's message; it is never sent to a vendor.
        output: the output schema, in function mode.
        nonce: random text in the messages, without a meaning; "" for none. Requests that differ
            in it alone ask the same.
    """

    system: str
    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    tool_choice: ToolChoice = "auto"
    parameters: Parameters = Parameters()
    metadata: Mapping[str, str] = {}
    output: OutputSchema | None = None
    nonce: str = ""


# Not tracked by the garbage collector: there is one for each chunk, and none can be in a cycle.
class TextDelta(Struct, frozen=True, gc=False):
    """A piece of the answer's text."""

    text: str


class ToolCallRequest(Struct, frozen=True, gc=False):
    """A complete tool call.

    Attributes:
        arguments: JSON text, as the model wrote it.
        opaque: vendor data that must be sent back with the call.
    """

    id: str
    name: str
    arguments: str
    opaque: str = ""


class MediaProduced(Struct, frozen=True):
    """An image or other media that the model produced."""

    part: Part


class Finished(Struct, frozen=True):
    """The last event of a complete stream."""

    reason: FinishReason
    usage: Usage = Usage()


ModelEvent: TypeAlias = TextDelta | ToolCallRequest | MediaProduced | Finished


class ChatModel(Protocol):
    """A model of a provider."""

    def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        """Stream the answer. Closing the generator cancels the call.

        Raises:
            ProviderError: the call failed, possibly after a part of the answer.
        """


class ProviderError(OmniaError):
    """A model call failed. The message contains no secret and may be shown to users.

    Attributes:
        retryable: whether the same call may succeed later.
        status: the HTTP status; 0 if there was no response.
        retry_after: the seconds to wait, if the provider sent them.
        attempts: the most attempts that are worth it; None means as many as usual.
        advice: for a person; None where the code says enough.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        status: int = 0,
        retry_after: float | None = None,
        attempts: int | None = None,
        advice: Advice | None = None,
    ) -> None:
        super().__init__(Code.UNAVAILABLE if retryable else Code.INTERNAL, message)
        self.retryable = retryable
        self.status = status
        self.retry_after = retry_after
        self.attempts = attempts
        self.advice = advice


def is_retryable(status: int) -> bool:
    """Whether a call that failed with this HTTP status may succeed later."""
    return status in (408, 425, 429) or status >= 500  # noqa: PLR2004 - HTTP statuses
