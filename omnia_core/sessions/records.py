"""The records of a session, as every store keeps them."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from omnia_core.conversation.finish_reasons import INTERRUPTED
from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.trial import Trial

_NOT_FINISHED = '{"error":"not finished"}'


class Message(Struct, frozen=True, omit_defaults=True):
    """One message of a conversation.

    Attributes:
        role: system prompts are not stored; they are rendered for each turn. A `summary` replaces
            the messages before it that it covers when a model is called.
        content: the text; of a `tool` message the result, JSON text when the tool returned JSON.
        parts: the parts of a message with media, in order; its text is in `content` too.
        tool_calls: of an `assistant` message, the tool calls that the model requested.
        tool_call_id: of a `tool` message, the id of the call.
        is_error: of a `tool` message, whether the call failed.
        finish_reason: of an `assistant` message; "cancelled", "error" or "interrupted" (the
            runtime died) marks a partial answer, "imported" one that was given elsewhere.
        pack_version: of a `user` message, the version of the PromptPack that answered it.
        variant: of a `user` message, the variant of the agent that answered it; "" for the stable
            one, "trial" for a trial.
        user_id: of a `user` message, the sender; "" when anonymous.
        covers: of a `summary`, how many messages from the beginning of the session it covers,
            earlier summaries included.
        created_at: RFC 3339, UTC.
        forked_from: of a `user` message that was copied with its turn, the session in which it was
            said.
        trial: of a `user` message in a session that tries something out.
        variables: of a `user` message, the values of the prompt's variables that came with it;
            None if they are not kept.
    """

    role: Literal["user", "assistant", "tool", "summary"]
    content: str = ""
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    is_error: bool = False
    finish_reason: str = ""
    pack_version: str = ""
    variant: str = ""
    user_id: str = ""
    covers: int = 0
    created_at: str = ""
    forked_from: str = ""
    trial: Trial | None = None
    variables: Mapping[str, str] | None = None


class DeletedMessages(Struct, frozen=True):
    """What is still known of the deleted messages at the beginning of a session.

    Attributes:
        messages: their number, which is the position of the first message that is kept.
        turns: how many of them were `user` messages.
        pack_version: of the first message of the session.
        user_id: of the first message of the session.
    """

    messages: int = 0
    turns: int = 0
    pack_version: str = ""
    user_id: str = ""


class Session(Struct, frozen=True):
    """A session with its messages.

    Attributes:
        messages: the appended messages that are kept.
        interrupted: the last checkpoint of a turn that was not appended yet. The turn is running,
            or its runtime died; then the next append may begin with these messages.
        deleted: the deleted messages before `messages`; None when nothing is deleted.
        name: what the session is about, for people; one line, "" while it has none.
        name_given: whether a person chose the name.
    """

    id: str
    messages: tuple[Message, ...] = field(default=())
    interrupted: tuple[Message, ...] = field(default=())
    deleted: DeletedMessages | None = None
    name: str = ""
    name_given: bool = False

    @property
    def first(self) -> int:
        """The position of the first message that is kept."""
        return self.deleted.messages if self.deleted else 0

    @property
    def length(self) -> int:
        """How many messages were ever appended."""
        return self.first + len(self.messages)

    @property
    def turns(self) -> int:
        """How many turns have begun in it, deleted ones and those said elsewhere included."""
        deleted = self.deleted.turns if self.deleted else 0
        return deleted + sum(message.role == "user" for message in self.messages)

    @property
    def pack_version(self) -> str:
        """The PromptPack version that the session began with; "" when unknown."""
        if self.deleted:
            return self.deleted.pack_version
        return self.messages[0].pack_version if self.messages else ""

    @property
    def user_id(self) -> str:
        """The user who began the session; "" when anonymous."""
        if self.deleted:
            return self.deleted.user_id
        return self.messages[0].user_id if self.messages else ""

    @property
    def trial(self) -> Trial | None:
        """What the session tries out."""
        return next((each.trial for each in reversed(self.messages) if each.trial), None)

    @property
    def answering(self) -> bool:
        """Whether a turn runs, or died before its answer was stored."""
        said = (message.role for message in reversed(self.messages) if message.role != "summary")
        return next(said, "") == "user"

    def open_to(self, user_id: str) -> bool:
        """Whether a user may continue the session; an anonymous session is open to everybody."""
        return self.user_id in ("", user_id)


def placeholder_result(call: ToolCall) -> Message:
    """Return a result for a tool call of an interrupted answer: models require one for each."""
    return Message("tool", _NOT_FINISHED, tool_call_id=call.id, is_error=True)


def is_placeholder(message: Message) -> bool:
    """Whether a message was added to complete an interrupted answer; the real one replaces it."""
    if message.role == "tool":
        return message.is_error and message.content == _NOT_FINISHED
    return message.finish_reason == INTERRUPTED
