"""A file as a part of a message."""

import base64
import mimetypes
from pathlib import Path

from omnia_core.conversation.parts import MEDIA_TYPES
from omnia_core.jsonvalue import JsonObject

# A message has 16 MiB at most, and base64 takes a third more.
LARGEST_BYTES = 11 * 1024 * 1024


class CannotAttach(Exception):
    """The file cannot be sent; the message is for people."""


def attachment(file: Path) -> JsonObject:
    """Return the part of a `message` frame with the content of a file.

    Raises:
        CannotAttach: it cannot be read, or is too large.
    """
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise CannotAttach(f"{file} is larger than {LARGEST_BYTES >> 20} MiB")
        content = file.read_bytes()
    except OSError as error:
        raise CannotAttach(f"{file} cannot be read: {error.strerror}") from error
    mime_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    kind = mime_type.partition("/")[0]
    return {
        "type": kind if kind in MEDIA_TYPES else "file",
        "media": {"mime_type": mime_type, "data": base64.b64encode(content).decode()},
    }
