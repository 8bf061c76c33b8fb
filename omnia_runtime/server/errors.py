"""The one map from errors to the wire."""

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import SessionConflict
from omnia_runtime.turns.locks import SessionBusy
from omnia_runtime.turns.ownership import SessionUnknown

INTERNAL_MESSAGE = "the agent failed; its log has the reason"

# Codes of the WebSocket protocol, which the facade passes on. The set is open.
_STREAM_CODES = {
    Code.INVALID_ARGUMENT: ErrorCode.INVALID_MESSAGE,
    Code.UNAVAILABLE: ErrorCode.AGENT_UNAVAILABLE,
    Code.RESOURCE_EXHAUSTED: ErrorCode.TOOL_FAILED,
}


def stream_code(error: OmniaError) -> str:
    """Return the code of an Error message on a Converse stream."""
    if isinstance(error, SessionBusy | SessionConflict):
        return ErrorCode.SESSION_CONFLICT
    if isinstance(error, SessionUnknown):
        return ErrorCode.SESSION_EXPIRED
    return _STREAM_CODES.get(error.code, ErrorCode.INTERNAL_ERROR)
