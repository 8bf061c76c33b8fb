"""How an answer is kept that has no end."""

from omnia_core.conversation.finish_reasons import INTERRUPTED
from omnia_core.conversation.tools import ToolCall
from omnia_core.sessions.records import Message

_NOT_FINISHED = '{"error":"not finished"}'


def not_finished(call: ToolCall) -> Message:
    """Answer a call that has no result: a model refuses a conversation in which one has none."""
    return Message("tool", _NOT_FINISHED, tool_call_id=call.id, is_error=True)


def closes(message: Message) -> bool:
    """Whether a message was added to close an answer: it is void once more is known."""
    if message.role == "tool":
        return message.is_error and message.content == _NOT_FINISHED
    return message.finish_reason == INTERRUPTED
