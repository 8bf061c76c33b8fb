"""Encodes frames, and removes padding (RFC 9113, sections 4 and 6)."""

import struct
from enum import IntEnum

from omnia_rpc.http2.errors import Http2ErrorCode, frame_size_error, protocol_error

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
# The largest payload without a SETTINGS_MAX_FRAME_SIZE; this implementation never allows more.
MAX_PAYLOAD = 16_384
MAX_WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65_535

DATA = 0x0
HEADERS = 0x1
PRIORITY = 0x2
RST_STREAM = 0x3
SETTINGS = 0x4
PUSH_PROMISE = 0x5
PING = 0x6
GOAWAY = 0x7
WINDOW_UPDATE = 0x8
CONTINUATION = 0x9

END_STREAM = 0x1
ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITISED = 0x20


class Setting(IntEnum):
    """Identifiers of settings (RFC 9113, section 6.5.2)."""

    HEADER_TABLE_SIZE = 0x1
    ENABLE_PUSH = 0x2
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_FRAME_SIZE = 0x5
    MAX_HEADER_LIST_SIZE = 0x6


def head(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    """Return the nine bytes of a frame header; `length` is that of the payload."""
    return (length << 48 | kind << 40 | flags << 32 | stream_id).to_bytes(HEAD_BYTES, "big")


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return head(len(payload), kind, flags, stream_id) + payload


def settings(values: dict[int, int]) -> bytes:
    """Return a SETTINGS frame."""
    payload = b"".join(struct.pack(">HI", name, value) for name, value in values.items())
    return frame(SETTINGS, 0, 0, payload)


def window_update(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame; `stream_id` 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


def rst_stream(stream_id: int, code: Http2ErrorCode) -> bytes:
    """Return a RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def goaway(last_stream_id: int, code: Http2ErrorCode, reason: str) -> bytes:
    """Return a GOAWAY frame; streams after `last_stream_id` are not processed."""
    payload = last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big") + reason.encode()
    return frame(GOAWAY, 0, 0, payload)


def header_frames(stream_id: int, block: bytes, *, end_stream: bool) -> bytes:
    """Return a header block as a HEADERS frame and, when it is long, CONTINUATION frames."""
    flags = END_STREAM if end_stream else 0
    if len(block) <= MAX_PAYLOAD:
        return frame(HEADERS, flags | END_HEADERS, stream_id, block)
    pieces = [block[at : at + MAX_PAYLOAD] for at in range(0, len(block), MAX_PAYLOAD)]
    last = len(pieces) - 1
    return frame(HEADERS, flags, stream_id, pieces[0]) + b"".join(
        frame(CONTINUATION, END_HEADERS if number == last else 0, stream_id, piece)
        for number, piece in enumerate(pieces[1:], 1)
    )


def unpadded(payload: bytes, flags: int) -> bytes:
    """Return the payload of DATA or HEADERS without its padding.

    Raises:
        ConnectionFailed: the padding is malformed.
    """
    if not flags & PADDED:
        return payload
    if not payload:
        raise frame_size_error("a padded frame without a padding length")
    if payload[0] >= len(payload):
        raise protocol_error("the padding is longer than the frame")
    return payload[1 : len(payload) - payload[0]]


def check_dependency(stream_id: int, data: bytes) -> None:
    """Check the priority at the beginning of `data`; it is ignored (RFC 9113, section 5.3).

    Raises:
        ConnectionFailed: the stream depends on itself.
    """
    if int.from_bytes(data[:4], "big") & 0x7FFFFFFF == stream_id:
        raise protocol_error("a stream that depends on itself")
