"""Files that clients uploaded, read from the folder that the facade writes."""

import base64
import os
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from omnia_core.conversation.parts import Media
from omnia_core.errors import Code, OmniaError
from omnia_core.media import StorageRef, find

_AGAIN = "upload the file again"


class MediaInvalid(OmniaError):
    """A part whose bytes cannot be had."""

    def __init__(self, problem: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, problem)


class Whose(Struct, frozen=True):
    """For which session and user media are loaded."""

    session_id: str = ""
    user_id: str = ""


class UploadFolder:
    """The uploads of this agent; each is given to its session and its user only."""

    def __init__(self, root: Path, max_file_size: int) -> None:
        """`max_file_size` is in bytes."""
        self._root = root
        self._max_file_size = max_file_size

    def read(self, reference: str, whose: Whose) -> Media:
        """Return an upload with its bytes. Blocks.

        Raises:
            MediaInvalid: it cannot be had; the message says why.
        """
        ref = _parse(reference)
        if ref.session_id != whose.session_id:
            raise MediaInvalid(
                f'media.storage_ref "{ref}" is of another session; upload the file in this one'
            )
        try:
            return self._read(ref, whose)
        except OSError as error:
            raise MediaInvalid(f'the upload "{ref}" cannot be read; try again later') from error

    def _read(self, ref: StorageRef, whose: Whose) -> Media:
        found = find(self._root, ref)
        if found is None or not found[0].open_to(whose.user_id):
            if found:
                _close(found[1])
            raise MediaInvalid(f'there is no upload "{ref}"; {_AGAIN}')
        record, descriptor = found
        if descriptor < 0 or record.expires_at <= datetime.now(UTC):
            _close(descriptor)
            raise MediaInvalid(f'the upload "{ref}" has expired; {_AGAIN}')
        with os.fdopen(descriptor, "rb") as file:
            # One byte more tells that there is more.
            content = file.read(self._max_file_size + 1)
        if len(content) > self._max_file_size:
            raise MediaInvalid(f'the upload "{ref}" is larger than {self._max_file_size} bytes')
        kind = record.mime_type.partition(";")[0].strip().lower()
        return Media(kind, base64.b64encode(content).decode())


def _parse(reference: str) -> StorageRef:
    try:
        return StorageRef.parse(reference)
    except ValueError as error:
        raise MediaInvalid(f"media.storage_ref: {error}") from error


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
