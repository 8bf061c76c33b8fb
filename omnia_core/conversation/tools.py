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
        content: text for the model; JSON text where the tool returned JSON.
        parts: images and other media that the tool returned beside the text.
    """

    content: str
    is_error: bool = False
    parts: tuple[Part, ...] = ()
