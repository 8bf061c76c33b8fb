"""The error codes of a turn, in the WebSocket protocol and in the runtime's gRPC protocol."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """A code that a client may react to. A runtime may send others; they are passed on."""

    INVALID_MESSAGE = "INVALID_MESSAGE"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    SESSION_EXPIRED = "SESSION_EXPIRED"
    SESSION_CONFLICT = "SESSION_CONFLICT"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    AGENT_UNAVAILABLE = "AGENT_UNAVAILABLE"
    TOOL_FAILED = "TOOL_FAILED"
    MEDIA_NOT_ENABLED = "MEDIA_NOT_ENABLED"
    UPLOAD_FAILED = "UPLOAD_FAILED"
    RATE_LIMITED = "RATE_LIMITED"
    DUPLEX_UNSUPPORTED = "DUPLEX_UNSUPPORTED"
    DUPLEX_ERROR = "DUPLEX_ERROR"
    UNSATISFIABLE_FORMAT = "UNSATISFIABLE_FORMAT"
