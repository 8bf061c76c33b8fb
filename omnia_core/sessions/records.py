"""The records of a session, in the form in which every driver keeps them."""

from typing import Literal

from msgspec import Struct, field

from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall


class Message(Struct, frozen=True, omit_defaults=True):
    """One message of a conversation.

    Attributes:
        role: system prompts are not kept; they are rendered for each turn. A `summary` is not
            part of the conversation: it stands for the messages before it that it covers.
        content: the text; of a `tool` message the result, as JSON text where it is JSON.
        parts: what is not text, in order; the text of a message is always in `content` too.
        tool_calls: of an `assistant` message, the calls that it asks for.
        tool_call_id: of a `tool` message, the call that it answers.
        is_error: of a `tool` message, whether the call failed.
        finish_reason: of an `assistant` message; "cancelled", "error" or "interrupted" (the
            runtime died) marks a partial answer.
        pack_version: of a `user` message, the version of the PromptPack that answers it.
        user_id: of a `user` message, who sent it; "" where nobody had to say.
        covers: of a `summary`, the number of messages from the session's beginning, earlier
            summaries counted, that it stands for.
        created_at: RFC 3339, UTC.
    """

    role: Literal["user", "assistant", "tool", "summary"]
    content: str = ""
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    is_error: bool = False
    finish_reason: str = ""
    pack_version: str = ""
    user_id: str = ""
    covers: int = 0
    created_at: str = ""


class Beginning(Struct, frozen=True):
    """What is still known of messages that were deleted from the beginning of a session.

    Attributes:
        messages: how many they were: the position of the first one that is kept.
        turns: how many messages of a user were among them.
        pack_version: what the first of them said, as in `Message`.
        user_id: likewise.
    """

    messages: int = 0
    turns: int = 0
    pack_version: str = ""
    user_id: str = ""


class Session(Struct, frozen=True):
    """A conversation so far.

    Attributes:
        messages: what was appended and is kept.
        interrupted: the last checkpoint of a turn that no append followed. It runs, or its runtime
            died; the next append begins with these messages if they shall be kept.
        deleted: what stood before `messages`, None while nothing is deleted.
    """

    id: str
    messages: tuple[Message, ...] = field(default=())
    interrupted: tuple[Message, ...] = field(default=())
    deleted: Beginning | None = None

    @property
    def first(self) -> int:
        """The position of the first message that is kept."""
        return self.deleted.messages if self.deleted else 0

    @property
    def length(self) -> int:
        """How many messages were ever appended."""
        return self.first + len(self.messages)

    @property
    def pack_version(self) -> str:
        """The version of the PromptPack that the session began with, "" when none is known."""
        if self.deleted:
            return self.deleted.pack_version
        return self.messages[0].pack_version if self.messages else ""

    @property
    def user_id(self) -> str:
        """Who began the session, "" when nobody had to say."""
        if self.deleted:
            return self.deleted.user_id
        return self.messages[0].user_id if self.messages else ""

    def open_to(self, user_id: str) -> bool:
        """Whether somebody may continue the session: who began it or, if that is not known, all."""
        return self.user_id in ("", user_id)
