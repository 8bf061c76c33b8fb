"""Tool calls and their results."""

from msgspec import Struct

from omnia_core.conversation.parts import Part


class ToolCall(Struct, frozen=True, omit_defaults=True):
    """A tool call that the model requested.

    Attributes:
        arguments: JSON text, as the model wrote it.
        opaque: vendor data that must be sent back with the call; only the adapter reads it.
    """

    id: str
    name: str
    arguments: str = "{}"
    opaque: str = ""


class ToolResult(Struct, frozen=True):
    """The result of a tool call.

    Attributes:
        content: JSON text where the tool returned JSON.
        parts: images and other media that the tool returned beside the text.
        shortened: what the model gets in place of a content that is too long for it.
    """

    content: str
    is_error: bool = False
    parts: tuple[Part, ...] = ()
    shortened: str | None = None

    @property
    def for_model(self) -> str:
        """The text for the model."""
        return self.content if self.shortened is None else self.shortened


class ToolFailed(Exception):
    """The tool call failed; the message is for the model.

    Attributes:
        server_fault: whether the server caused the failure, not the call. Consecutive failures of
            the server open the handler's circuit breaker.
    """

    def __init__(self, message: str, *, server_fault: bool = False) -> None:
        super().__init__(message)
        self.server_fault = server_fault
