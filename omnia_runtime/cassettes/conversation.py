"""The conversation of `omnia eval` that runs: what cassettes count for it.

Cases run side by side. Each has its own recordings: a replay does not depend on their order.
"""

from collections import Counter
from contextvars import ContextVar

from msgspec import Struct, field


class RecordedConversation(Struct, eq=False):
    """A conversation.

    Attributes:
        name: the same in each run of the same case.
        milliseconds: how long its model calls and tool calls took when they were recorded.
        asked: how often each key was asked.
    """

    name: str
    milliseconds: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)


CONVERSATION: ContextVar[RecordedConversation | None] = ContextVar("conversation", default=None)
