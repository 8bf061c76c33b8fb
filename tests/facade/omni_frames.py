"""Binary frames as a client of another author would write and read them."""

import json
import struct
from typing import Any, NamedTuple

MEDIA, UPLOAD = 1, 2


class OmniFrame(NamedTuple):
    kind: int
    flags: int
    sequence: int
    media_id: bytes
    metadata: dict[str, Any]
    payload: bytes

    @property
    def is_last(self) -> bool:
        return bool(self.flags & 4)

    @property
    def chunked(self) -> bool:
        return bool(self.flags & 2)


def pack(
    payload: bytes,
    sequence: int = 0,
    *,
    last: bool = False,
    kind: int = MEDIA,
    flags: int = 0,
    **metadata: object,
) -> bytes:
    about = json.dumps(metadata).encode() if metadata else b""
    flags |= 4 if last else 0
    lengths = struct.pack(">III", len(about), len(payload), sequence)
    return (
        b"OMNI"
        + bytes([1, flags])
        + kind.to_bytes(2, "big")
        + lengths
        + bytes(12)
        + about
        + payload
    )


def unpack(data: bytes) -> OmniFrame:
    assert data[:5] == b"OMNI\x01"
    about, size, sequence = struct.unpack(">III", data[8:20])
    payload = data[32 + about :]
    assert len(payload) == size
    kind = int.from_bytes(data[6:8], "big")
    return OmniFrame(
        kind, data[5], sequence, data[20:32], json.loads(data[32 : 32 + about]), payload
    )
