"""HTTP/2 error codes and errors (RFC 9113, section 7)."""

from enum import IntEnum


class Http2ErrorCode(IntEnum):
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
    """A connection error: the peer violated the protocol, and the connection has to be closed."""

    def __init__(self, code: Http2ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class StreamFailed(Exception):
    """A stream error: the peer violated the protocol, and only this stream has to be reset."""

    def __init__(self, stream_id: int, code: Http2ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.stream_id = stream_id
        self.code = code
        self.reason = reason


def protocol_error(reason: str) -> ConnectionFailed:
    """Return a connection error with the code PROTOCOL_ERROR."""
    return ConnectionFailed(Http2ErrorCode.PROTOCOL_ERROR, reason)


def frame_size_error(reason: str) -> ConnectionFailed:
    """Return the connection error of a frame whose size its type does not allow."""
    return ConnectionFailed(Http2ErrorCode.FRAME_SIZE_ERROR, reason)
