"""The one map from errors to the wire."""

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import SessionConflict
from omnia_runtime.turns.locks import SessionBusy
from omnia_runtime.turns.ownership import SessionUnknown

INTERNAL_ERROR = "INTERNAL_ERROR"
INTERNAL_MESSAGE = "the agent failed; its log has the reason"

# Codes of the WebSocket protocol, which the facade passes on. The set is open.
_STREAM_CODES = {
    Code.INVALID_ARGUMENT: "INVALID_MESSAGE",
    Code.UNAVAILABLE: "AGENT_UNAVAILABLE",
    Code.RESOURCE_EXHAUSTED: "TOOL_FAILED",
}


def stream_code(error: OmniaError) -> str:
    """Return the code of an Error message on a Converse stream."""
    if isinstance(error, SessionBusy | SessionConflict):
        return "SESSION_CONFLICT"
    if isinstance(error, SessionUnknown):
        return "SESSION_EXPIRED"
    return _STREAM_CODES.get(error.code, INTERNAL_ERROR)
