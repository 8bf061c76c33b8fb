"""What can be wrong with a peer (RFC 9113, section 7)."""

from enum import IntEnum


class ErrorCode(IntEnum):
    """Error codes of RST_STREAM and GOAWAY."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class ConnectionFailed(Exception):
    """The peer broke a rule after which nothing that it sends can be trusted."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class StreamFailed(Exception):
    """The peer broke a rule that concerns one stream only."""

    def __init__(self, stream_id: int, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.stream_id = stream_id
        self.code = code
        self.reason = reason


def protocol_error(reason: str) -> ConnectionFailed:
    """Return the error of most broken rules."""
    return ConnectionFailed(ErrorCode.PROTOCOL_ERROR, reason)


def frame_size_error(reason: str) -> ConnectionFailed:
    """Return the error of a frame that has another size than its type allows."""
    return ConnectionFailed(ErrorCode.FRAME_SIZE_ERROR, reason)
