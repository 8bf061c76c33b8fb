"""What an error code says to a person, where nobody knows more: what happened, and what to do."""

from collections.abc import Mapping

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.errors import Advice

ADVICE: Mapping[str, Advice] = {
    ErrorCode.INVALID_MESSAGE: Advice(
        "The message was not accepted.",
        "Correct what the error names. If a page is older than the server, load it again.",
    ),
    ErrorCode.SESSION_EXPIRED: Advice(
        "This conversation has ended.",
        "It can be read, not continued. The next message begins a new one.",
    ),
    ErrorCode.SESSION_CONFLICT: Advice(
        "This conversation is answered elsewhere at the moment.",
        "Send the message again when that answer has ended.",
        retryable=True,
    ),
    ErrorCode.SESSION_NOT_FOUND: Advice(
        "The conversation is not open on this connection.", "Resume it first."
    ),
    ErrorCode.RATE_LIMITED: Advice(
        "That was too fast.", "Send it again when an answer has ended.", retryable=True
    ),
    ErrorCode.BUDGET_EXCEEDED: Advice(
        "The agent's budget is used up.",
        "Send the message again when its next day or month begins.",
        retryable=True,
    ),
    ErrorCode.AGENT_UNAVAILABLE: Advice(
        "The agent does not answer.",
        "It may be starting. Send the message again.",
        retryable=True,
    ),
    ErrorCode.INTERNAL_ERROR: Advice(
        "The answer failed.",
        "Send the message again. If it fails again, the agent's log has the reason.",
        retryable=True,
    ),
    ErrorCode.TOOL_FAILED: Advice(
        "The answer to a tool came too late.", "Nothing is to be done: the agent goes on."
    ),
    ErrorCode.MEDIA_NOT_ENABLED: Advice(
        "This agent keeps no files.", "Send the file inside the message."
    ),
    ErrorCode.UPLOAD_FAILED: Advice(
        "The file was not taken.", "Choose another one, or send it again, as the reason says."
    ),
    ErrorCode.DUPLEX_UNSUPPORTED: Advice("This agent takes no voice calls.", "Write to it."),
    ErrorCode.DUPLEX_ERROR: Advice("The call has ended.", "Call again.", retryable=True),
    ErrorCode.UNSATISFIABLE_FORMAT: Advice(
        "The agent needs another audio format.", "Call again with the format that it names."
    ),
}
