"""WebSocket frames of the server: unmasked, whole, uncompressed (RFC 6455, section 5.2)."""

from struct import Struct

_SHORT = 126
_MEDIUM = 65536
_medium_header = Struct(">BBH").pack


def text_frame(payload: bytes) -> bytes:
    """Frame a text; several times cheaper than the protocol's general way."""
    size = len(payload)
    if size < _SHORT:
        return bytes((0x81, size)) + payload
    if size < _MEDIUM:
        return _medium_header(0x81, 126, size) + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def binary_header(size: int) -> bytes:
    """Return what stands before a binary payload of so many bytes."""
    if size < _SHORT:
        return bytes((0x82, size))
    if size < _MEDIUM:
        return b"\x82\x7e" + size.to_bytes(2, "big")
    return b"\x82\x7f" + size.to_bytes(8, "big")
