"""What begins a turn: the message, and who sent it."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.names import METADATA_USER_ID
from omnia_core.sessions import Message
from omnia_core.sessions.records import placeholder_result
from omnia_runtime.ports.tools import ClientExecutor


class Caller(Struct, frozen=True):
    """Whom a turn runs for.

    Attributes:
        metadata: that of the gRPC call.
        client: executes the client's own tools; None where nobody could.
    """

    metadata: Mapping[str, str] = {}
    client: ClientExecutor | None = None

    @property
    def user_id(self) -> str:
        """What the person is known by, "" when the facade does not know."""
        return self.metadata.get(METADATA_USER_ID, "")


class Turn(Struct, frozen=True):
    """A message of the user.

    Attributes:
        metadata: what the client sent beside its message.
        said: the answer so far, for whoever ends the turn early.
        traceparent: the span that the turn continues, "" when the message names none.
    """

    session_id: str
    content: str
    parts: tuple[Part, ...]
    metadata: Mapping[str, str]
    said: list[str]
    traceparent: str = ""

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self.said)


def asked(turn: Turn, caller: Caller, pack_version: str) -> Message:
    """Return the record of the message that begins a turn."""
    return Message(
        "user", turn.content, turn.parts, pack_version=pack_version, user_id=caller.user_id
    )


def closed(transcript: Sequence[Message], known: int, said: str, reason: str) -> list[Message]:
    """End a transcript that was cut: every tool call gets an answer, the text said is marked.

    `said` is all the text of the turn; what earlier rounds said stands in `transcript` already.
    """
    messages = [*transcript, *map(placeholder_result, _unanswered(transcript))]
    stored = sum(len(each.content) for each in transcript[known:] if each.role == "assistant")
    messages.append(Message("assistant", said[stored:], finish_reason=reason))
    return messages


def _unanswered(transcript: Sequence[Message]) -> list[ToolCall]:
    """Return what the last answers leave open; vendors use an id again in another round."""
    answered = set[str]()
    for message in reversed(transcript):
        if message.role != "tool":
            return [call for call in message.tool_calls if call.id not in answered]
        answered.add(message.tool_call_id)
    return []
