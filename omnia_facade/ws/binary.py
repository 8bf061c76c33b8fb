"""Binary frames: a header of 32 bytes, metadata as JSON, payload.

The header, big endian: `OMNI` (4 bytes), version (1), flags (1), type (2), length of the metadata
(4), length of the payload (4), sequence (4), media id (12).
"""

import struct
from enum import IntEnum

import msgspec
from msgspec import Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.jsonvalue import check_depth
from omnia_facade.ws.messages import FrameRefused

MAGIC = b"OMNI"
VERSION = 1
HEADER = struct.Struct(">4sBBHIII12s")
MEDIA_ID_BYTES = 12

COMPRESSED, CHUNKED, IS_LAST = 0x01, 0x02, 0x04
_KNOWN = COMPRESSED | CHUNKED | IS_LAST


class FrameType(IntEnum):
    """The content of a binary frame."""

    MEDIA_CHUNK = 1
    UPLOAD = 2


class BinaryMetadata(Struct, frozen=True, omit_defaults=True):
    """The metadata of a payload; every field may be absent or null."""

    session_id: str | None = None
    mime_type: str | None = None
    media_id: str | None = None
    total_chunks: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    codec: str | None = None
    upload_id: str | None = None


class BinaryFrame(Struct, frozen=True):
    """A binary frame.

    Attributes:
        media_id: 12 bytes.
        chunked: whether the payload is one of `total_chunks` pieces of a larger one.
        is_last: whether this is the last frame of the media or upload.
    """

    type: FrameType
    payload: bytes
    sequence: int = 0
    is_last: bool = False
    chunked: bool = False
    media_id: bytes = bytes(MEDIA_ID_BYTES)
    metadata: BinaryMetadata = BinaryMetadata()


_decoder = msgspec.json.Decoder(BinaryMetadata)
_encoder = msgspec.json.Encoder()


def encode(frame: BinaryFrame) -> bytes:
    """Return the frame's bytes."""
    metadata = _encoder.encode(frame.metadata)
    flags = frame.is_last * IS_LAST | frame.chunked * CHUNKED
    header = HEADER.pack(
        MAGIC,
        VERSION,
        flags,
        frame.type,
        len(metadata),
        len(frame.payload),
        frame.sequence,
        frame.media_id,
    )
    return b"".join((header, metadata, frame.payload))


def decode(data: bytes) -> BinaryFrame:
    """Return the frame.

    Raises:
        FrameRefused: the frame is invalid; the message says what was expected.
    """
    if len(data) < HEADER.size:
        raise _invalid(f"expected a header of {HEADER.size} bytes, found {len(data)} bytes")
    magic, version, flags, kind, about, size, sequence, media_id = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise _invalid(f"expected the magic {MAGIC!r}, found {magic!r}")
    if version != VERSION:
        raise _invalid(f"expected version {VERSION}, found {version}")
    _check_flags(flags)
    if kind not in (FrameType.MEDIA_CHUNK, FrameType.UPLOAD):
        raise _invalid(f"expected the type 1 (media_chunk) or 2 (upload), found {kind}")
    rest = len(data) - HEADER.size
    if about + size != rest:
        raise _invalid(
            f"its header announces {about} bytes of metadata and {size} of payload, found {rest}"
        )
    end = HEADER.size + about
    return BinaryFrame(
        type=FrameType(kind),
        payload=data[end:],
        sequence=sequence,
        is_last=bool(flags & IS_LAST),
        chunked=bool(flags & CHUNKED),
        media_id=media_id,
        metadata=_metadata(data[HEADER.size : end]),
    )


def _check_flags(flags: int) -> None:
    if flags & COMPRESSED:
        raise _invalid("compressed payloads are not accepted; send it as it is, without flag 0x01")
    if flags & ~_KNOWN:
        raise _invalid(f"expected the flags 0x02 and 0x04 at most, found 0x{flags:02x}")


def _metadata(data: bytes) -> BinaryMetadata:
    if not data:
        return BinaryMetadata()
    try:
        check_depth(data)
        return _decoder.decode(data)
    except ValueError as error:
        raise _invalid(f"its metadata is not as expected: {error}") from error


def _invalid(message: str) -> FrameRefused:
    return FrameRefused(ErrorCode.INVALID_MESSAGE, f"the binary frame cannot be read: {message}")
