"""What the agent asks of a model, and what a model answers."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_core.conversation.parts import Part
from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, OmniaError
from omnia_core.files.pack import Parameters
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message

ToolChoice: TypeAlias = Literal["auto", "required", "none"]


class ToolSpec(Struct, frozen=True):
    """A tool as the model sees it; `input_schema` is a JSON Schema.

    Attributes:
        on_client: whether the client of the conversation executes it.
    """

    name: str
    description: str
    input_schema: JsonObject
    on_client: bool = False


class OutputSchema(Struct, frozen=True):
    """The shape that the answer of a function must have."""

    name: str
    schema: JsonObject


class ChatRequest(Struct, frozen=True):
    """One call of a model.

    Attributes:
        messages: what was said, without summaries; every media part holds its bytes in
            `media.data`, or an http(s) URL that the vendor fetches itself.
        metadata: what the client sent beside its message; a vendor never sees it.
        output: set in function mode.
    """

    system: str
    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    tool_choice: ToolChoice = "auto"
    parameters: Parameters = Parameters()
    metadata: Mapping[str, str] = {}
    output: OutputSchema | None = None


# Untracked by the garbage collector: they hold no cycles, and one is made for each chunk.
class TextDelta(Struct, frozen=True, gc=False):
    """More of the answer's text."""

    text: str


class ToolCallRequest(Struct, frozen=True, gc=False):
    """A complete tool call; `arguments` is JSON text as the model wrote it.

    Attributes:
        opaque: what the vendor wants back with the call.
    """

    id: str
    name: str
    arguments: str
    opaque: str = ""


class MediaProduced(Struct, frozen=True):
    """An image or other media that the model made."""

    part: Part


class Finished(Struct, frozen=True):
    """The last event of every stream."""

    reason: FinishReason
    usage: Usage = Usage()


ModelEvent: TypeAlias = TextDelta | ToolCallRequest | MediaProduced | Finished


class ChatModel(Protocol):
    """A model of a provider."""

    def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        """Answer, piece by piece. Closing the generator ends the call at once.

        Raises:
            ProviderError: no answer, or none to its end.
        """


class ProviderError(OmniaError):
    """A provider that did not answer. The message holds no secret and may be shown.

    Attributes:
        retryable: whether the same call may succeed later.
        status: the HTTP status, 0 when there was none.
        retry_after: seconds that the provider asked to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        status: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(Code.UNAVAILABLE if retryable else Code.INTERNAL, message)
        self.retryable = retryable
        self.status = status
        self.retry_after = retry_after


def is_retryable(status: int) -> bool:
    """Whether an HTTP status of a provider may be gone at the next attempt."""
    return status in (408, 425, 429) or status >= 500  # noqa: PLR2004 - HTTP statuses
