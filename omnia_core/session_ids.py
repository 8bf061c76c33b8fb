"""Ids of new sessions: UUIDs of version 7 (RFC 9562), which say when the session began."""

import os
import time
import uuid

_TIME_BYTES = 6
_VERSION = 7


def new_session_id() -> str:
    """Return the id of a session that begins now."""
    return str(uuid.UUID(bytes=stamped(os.urandom(16))))


def stamped(random: bytes) -> bytes:
    """Return random bytes, 9 or more, with the form and the time of a UUID that is made now."""
    made = bytearray(random)
    made[:_TIME_BYTES] = (time.time_ns() // 1_000_000).to_bytes(_TIME_BYTES, "big")
    made[6] = _VERSION << 4 | made[6] & 0x0F
    made[8] = 0x80 | made[8] & 0x3F
    return bytes(made)


def began_ms(session_id: str) -> int | None:
    """Return when a session began, in milliseconds since 1970; None if its id does not say so."""
    try:
        found = uuid.UUID(session_id)
    except ValueError:
        return None
    # Other spellings of a UUID are other ids.
    if found.version != _VERSION or str(found) != session_id:
        return None
    return int.from_bytes(found.bytes[:_TIME_BYTES], "big")
