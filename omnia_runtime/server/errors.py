"""The one map from errors to the wire."""

import grpc

from omnia_core.errors import GRPC_STATUS, Code, OmniaError
from omnia_core.sessions import SessionConflict
from omnia_runtime.turns.conversation import SessionBusy

INTERNAL_ERROR = "INTERNAL_ERROR"
INTERNAL_MESSAGE = "the agent failed; its log has the reason"

# Codes of the WebSocket protocol, which the facade passes on. The set is open.
_STREAM_CODES = {
    Code.INVALID_ARGUMENT: "INVALID_MESSAGE",
    Code.UNAVAILABLE: "AGENT_UNAVAILABLE",
    Code.RESOURCE_EXHAUSTED: "TOOL_FAILED",
}
_STATUS = {status.value[0]: status for status in grpc.StatusCode}


def stream_code(error: OmniaError) -> str:
    """Return the code of an Error message on a Converse stream."""
    if isinstance(error, SessionBusy | SessionConflict):
        return "SESSION_CONFLICT"
    return _STREAM_CODES.get(error.code, INTERNAL_ERROR)


def grpc_status(code: Code) -> grpc.StatusCode:
    """Return the status of a unary call that failed."""
    return _STATUS[GRPC_STATUS[code]]
