"""The messages that a client sends along: which of them are new, and which were said before.

Clients of stateless protocols send the whole conversation with every request. The history belongs
to the server, so only what follows the agent's last message is new.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.jsonvalue import json_bytes, parse_json
from omnia_facade.backend.events import ClientToolResult, HistoryMessage
from omnia_facade.doors.parts import text_part

# More than a model's context holds; each message takes memory before its session is known.
MAX_MESSAGES = 2000


class SentMessage(Struct, frozen=True):
    """One message of a client's history.

    Attributes:
        calls: the client's tools that an assistant message calls.
        call_id: the call that a tool message answers.
        rejection: why the client did not execute the call.
    """

    role: Literal["user", "assistant", "tool"]
    parts: tuple[Part, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    rejection: str | None = None

    @property
    def text(self) -> str:
        """The text of the message."""
        return "".join(part.text for part in self.parts)


class SentConversation(Struct, frozen=True):
    """A client's history, divided.

    Attributes:
        before: up to the agent's last message.
        results: the client's tool results after it.
        parts: the user's message after it; several messages become one.
    """

    before: tuple[SentMessage, ...]
    results: tuple[SentMessage, ...]
    parts: tuple[Part, ...]

    @property
    def is_new(self) -> bool:
        """Whether there is anything to answer."""
        return bool(self.results or self.parts)


def divide(messages: Sequence[SentMessage]) -> SentConversation:
    """Divide a history at the agent's last message that says or calls anything."""
    last = 0
    for position, message in enumerate(messages, 1):
        if message.role == "assistant" and (message.parts or message.calls):
            last = position
    results = tuple(message for message in messages[last:] if message.role == "tool")
    parts: list[Part] = []
    for message in messages[last:]:
        if message.role == "user" and message.parts:
            if parts:
                parts.append(text_part("\n\n"))
            parts += message.parts
    return SentConversation(tuple(messages[:last]), results, tuple(parts))


def seed(messages: Sequence[SentMessage]) -> tuple[HistoryMessage, ...]:
    """Return a history in the form in which a new session takes it over: text by role.

    Calls of the client's tools and their results are told as text of the agent, because the tools
    of another conversation need not exist in this one.
    """
    names = call_names(messages)
    seeded: list[HistoryMessage] = []
    for message in messages:
        if message.role == "user":
            if message.parts:
                seeded.append(HistoryMessage("user", _told(message)))
            continue
        text = message.text
        if message.role == "tool":
            text = _result_line(message, names)
        if text:
            seeded.append(HistoryMessage("assistant", text))
    return tuple(seeded)


def results_as_parts(conversation: SentConversation) -> tuple[Part, ...]:
    """Return a message that tells the results of calls for which no turn waits any more."""
    names = call_names(conversation.before)
    lines = [_result_line(result, names) for result in conversation.results]
    told = text_part("\n".join(lines))
    return (told, text_part("\n\n"), *conversation.parts) if conversation.parts else (told,)


def call_names(messages: Sequence[SentMessage]) -> dict[str, str]:
    """Return the names of the tools by the ids of their calls."""
    return {call.id: call.name for message in messages for call in message.calls}


def tool_result(message: SentMessage) -> ClientToolResult:
    """Return the result that a tool message has."""
    if message.rejection is not None:
        return ClientToolResult(message.call_id, rejection=message.rejection)
    text = message.text
    try:
        parse_json(text)
    except ValueError:
        text = json_bytes(text).decode()
    return ClientToolResult(message.call_id, text)


def _told(message: SentMessage) -> str:
    return "".join(part.text or f"[{part.type}]" for part in message.parts)


def _result_line(message: SentMessage, names: dict[str, str]) -> str:
    name = names.get(message.call_id, "a tool")
    if message.rejection is not None:
        return f"[{name} was not executed: {message.rejection}]"
    return f"[{name} returned: {message.text}]"
