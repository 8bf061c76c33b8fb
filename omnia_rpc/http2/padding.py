"""Padding of DATA and HEADERS (RFC 9113, section 6.1)."""

from omnia_rpc.http2 import frames
from omnia_rpc.http2.errors import frame_size_error, protocol_error


def unpadded(payload: bytes, flags: int) -> bytes:
    """Return a payload without its padding."""
    if not flags & frames.PADDED:
        return payload
    if not payload:
        raise frame_size_error("a padded frame without its length of padding")
    if payload[0] >= len(payload):
        raise protocol_error("more padding than frame")
    return payload[1 : len(payload) - payload[0]]
