"""The records of a session, in the form in which every driver keeps them."""

from typing import Literal

from msgspec import Struct, field


class ToolCall(Struct, frozen=True, omit_defaults=True):
    """A call that the model asked for; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str = "{}"


class Message(Struct, frozen=True, omit_defaults=True):
    """One message of a conversation.

    Attributes:
        role: system prompts are not kept; they are rendered for each turn.
        content: the text; of a `tool` message the result, as JSON text where it is JSON.
        tool_calls: of an `assistant` message, the calls that it asks for.
        tool_call_id: of a `tool` message, the call that it answers.
        is_error: of a `tool` message, whether the call failed.
        finish_reason: of an `assistant` message; "cancelled" or "error" marks a partial answer.
        created_at: RFC 3339, UTC.
    """

    role: Literal["user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    is_error: bool = False
    finish_reason: str = ""
    created_at: str = ""


class Session(Struct, frozen=True):
    """A conversation so far."""

    id: str
    messages: tuple[Message, ...] = field(default=())
