"""Finds stored files that the caller may read."""

import os
from collections.abc import Callable
from datetime import datetime
from functools import partial

from msgspec import Struct

from omnia_core.media import MediaRecord, StorageRef
from omnia_facade.auth.principal import Principal
from omnia_facade.media.files import MediaFiles
from omnia_facade.media.policy import MediaPolicy, rfc3339
from omnia_facade.media.port import MediaErrorCode, MediaFailed, StoredFile
from omnia_facade.media.threads import opened_in_thread


class Download(Struct, frozen=True):
    """A file that may be read; the receiver closes `descriptor`, which is open on its bytes."""

    record: MediaRecord
    descriptor: int


class MediaLibrary:
    """Finds files. All methods raise `MediaFailed`."""

    def __init__(self, files: MediaFiles, policy: MediaPolicy, now: Callable[[], datetime]) -> None:
        self._files = files
        self._policy = policy
        self._now = now

    async def info(self, session_id: str, media_id: str, caller: Principal) -> StoredFile:
        """Return the description of a file."""
        download = await self.download(session_id, media_id, caller)
        os.close(download.descriptor)
        return self._policy.stored(download.record)

    async def download(self, session_id: str, media_id: str, caller: Principal) -> Download:
        """Return a file."""
        try:
            ref = StorageRef.of(session_id, media_id)
        except ValueError as error:
            raise _unknown() from error
        found = await opened_in_thread(partial(self._files.find, ref), _close)
        if found is None:
            raise _unknown()
        record, descriptor = found
        allowed, expired = record.open_to(caller.user_id), record.expires_at <= self._now()
        if allowed and not expired and descriptor >= 0:
            return Download(record, descriptor)
        _close(found)
        if not allowed or not expired:
            raise _unknown()
        moment = rfc3339(record.expires_at)
        raise MediaFailed(MediaErrorCode.EXPIRED, f"the file expired at {moment}")


def _close(found: tuple[MediaRecord, int] | None) -> None:
    if found and found[1] >= 0:
        os.close(found[1])


def _unknown() -> MediaFailed:
    return MediaFailed(MediaErrorCode.NOT_FOUND, "there is no such file")
