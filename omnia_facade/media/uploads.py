"""Uploads: tickets, and the writers of their bytes."""

import asyncio
import os
import re
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from weakref import WeakValueDictionary

from omnia_facade.auth.principal import Principal
from omnia_facade.media.files import MediaFiles
from omnia_facade.media.policy import MediaPolicy
from omnia_facade.media.port import (
    MediaErrorCode,
    MediaFailed,
    StoredFile,
    UploadRequest,
    UploadTicket,
)
from omnia_facade.media.quota import PendingUpload
from omnia_facade.media.threads import in_thread, opened_in_thread
from omnia_facade.media.watches import POLL_SECONDS, Completed, UploadWatches
from omnia_facade.metrics import MediaMetrics

# Uploads that a pod receives at a time; each has some bytes in memory.
MAX_OPEN = 128
# The limit of each authenticated user.
MAX_OPEN_OF_USER = 32
# Bytes are collected in memory up to this size, then written by a thread.
PIECE_BYTES = 128 * 1024

_UPLOAD_ID = re.compile(r"upl-[0-9a-f]{32}")


class MediaUploads:
    """Receives the uploads of this agent, requested here or in another pod."""

    def __init__(
        self,
        files: MediaFiles,
        policy: MediaPolicy,
        metrics: MediaMetrics,
        now: Callable[[], datetime],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._files = files
        self._policy = policy
        self._metrics = metrics
        self._now = now
        self._open: dict[str, PendingUpload] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._watches = UploadWatches(lambda ids: in_thread(self._completed, ids), poll_seconds)

    async def close(self) -> None:
        """End all watches."""
        await self._watches.close()

    async def request(self, request: UploadRequest, caller: Principal) -> UploadTicket:
        """Return a ticket."""
        pending = self._policy.pending(request, caller.user_id, self._now())
        # Concurrent requests for a session must see each other's reservations.
        lock = self._locks.get(request.session_id)
        if lock is None:
            lock = self._locks[request.session_id] = asyncio.Lock()
        async with lock:
            await in_thread(self._files.reserve, pending, self._now())
        return self._policy.ticket(pending)

    async def open(self, upload_id: str, caller: Principal) -> "FileWriter":
        """Start to write an upload that the same caller requested."""
        pending = await self._require_sendable(upload_id, caller)
        self._open[upload_id] = pending
        try:
            file = await opened_in_thread(
                lambda: UploadFile(partial(self._files.begin, upload_id), self._files.forget),
                UploadFile.remove,
            )
        except BaseException:
            del self._open[upload_id]
            raise

        def ended(stored: StoredFile | None) -> None:
            self._open.pop(upload_id, None)
            if stored:
                self._watches.complete(upload_id, stored)

        keep = partial(self._keep, pending)
        return FileWriter(pending, file, keep, self._metrics, ended, self._now)

    def watch(self, upload_id: str, completed: Completed) -> Callable[[], None]:
        """Call `completed` once the upload is complete; the returned function ends the watch."""
        return self._watches.add(upload_id, completed)

    async def confirm(self, upload_id: str, caller: Principal) -> StoredFile:
        """Return the file of a complete upload."""
        pending, done = await self._requested(upload_id, caller)
        record = await in_thread(self._files.record, pending.ref) if done else None
        if record is None:
            raise MediaFailed(
                MediaErrorCode.CONFLICT,
                f"this upload is not complete; PUT its {pending.size_bytes} bytes first",
            )
        return self._policy.stored(record)

    async def _require_sendable(self, upload_id: str, caller: Principal) -> PendingUpload:
        pending, done = await self._requested(upload_id, caller)
        now = self._now()
        if done:
            raise MediaFailed(MediaErrorCode.CONFLICT, "this upload is complete")
        if pending.expires_at <= now:
            raise _ticket_expired()
        if upload_id in self._open:
            raise MediaFailed(MediaErrorCode.CONFLICT, "this upload is in progress already")
        # An expired upload does not count: it fails at its next bytes.
        users = [upload.user_id for upload in self._open.values() if upload.expires_at > now]
        if pending.user_id and users.count(pending.user_id) >= MAX_OPEN_OF_USER:
            raise MediaFailed(
                MediaErrorCode.TOO_MANY_OF_USER,
                f"this user has {MAX_OPEN_OF_USER} uploads in progress, the limit per user; finish"
                " one first",
            )
        if len(users) >= MAX_OPEN:
            raise MediaFailed(
                MediaErrorCode.OVERLOADED,
                f"this server has {MAX_OPEN} uploads in progress, its limit; send the file again"
                " later",
            )
        return pending

    async def _requested(self, upload_id: str, caller: Principal) -> tuple[PendingUpload, bool]:
        found = None
        if _UPLOAD_ID.fullmatch(upload_id):
            found = await in_thread(self._files.pending, upload_id)
        if found is None or found[0].user_id not in ("", caller.user_id):
            raise MediaFailed(MediaErrorCode.NOT_FOUND, "there is no such upload")
        return found

    def _keep(self, pending: PendingUpload, file_name: str) -> StoredFile:
        record = self._policy.record(pending, self._now())
        if not self._files.keep(pending, file_name, record):
            raise MediaFailed(MediaErrorCode.CONFLICT, "this upload is complete")
        return self._policy.stored(record)

    def _completed(self, upload_ids: list[str]) -> dict[str, StoredFile]:
        complete = {}
        for upload_id in upload_ids:
            found = self._files.pending(upload_id)
            record = self._files.record(found[0].ref) if found and found[1] else None
            if record:
                complete[upload_id] = self._policy.stored(record)
        return complete


class UploadFile:
    """The growing file of one upload. Its methods block."""

    def __init__(
        self, create: Callable[[], tuple[str, int]], remove: Callable[[str], None]
    ) -> None:
        """`create` returns name and descriptor of a new file, `remove` removes it by its name."""
        self._remove = remove
        self.name, self._descriptor = create()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        """Flush to the disk and close: a file that is reported complete must survive the node."""
        os.fsync(self._descriptor)
        self._close()

    def remove(self) -> None:
        """Close and remove the file."""
        self._close()
        self._remove(self.name)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class FileWriter:
    """Writes the bytes of an upload, in pieces of any size."""

    def __init__(
        self,
        pending: PendingUpload,
        file: UploadFile,
        keep: Callable[[str], StoredFile],
        metrics: MediaMetrics,
        ended: Callable[[StoredFile | None], None],
        now: Callable[[], datetime],
    ) -> None:
        """`keep` completes the upload from the file of this name.

        `ended` is called once: with the file, or None when the upload was aborted.
        """
        self._pending = pending
        self._file = file
        self._keep = keep
        self._metrics = metrics
        self._ended = ended
        self._now = now
        self._buffer = bytearray()
        self._size = 0
        self._began = time.monotonic()
        self._closed = False

    async def write(self, data: bytes) -> None:
        self._size += len(data)
        self._require_time()
        if self._size > self._pending.size_bytes:
            raise MediaFailed(
                MediaErrorCode.TOO_LARGE,
                f"the file is larger than the {self._pending.size_bytes} bytes that were announced",
            )
        self._buffer += data
        if len(self._buffer) >= PIECE_BYTES:
            await self._flush()

    async def finish(self) -> StoredFile:
        self._require_time()
        if self._size != self._pending.size_bytes:
            raise MediaFailed(
                MediaErrorCode.INPUT_INVALID,
                f"the file has {self._size} bytes; {self._pending.size_bytes} were announced",
            )
        await self._flush()
        await in_thread(self._file.sync)
        stored = await in_thread(self._keep, self._file.name)
        self._end(stored)
        return stored

    async def abort(self) -> None:
        if not self._closed:
            self._end(None)
            await in_thread(self._file.remove)

    async def _flush(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        await in_thread(self._file.write, data)

    def _require_time(self) -> None:
        if self._now() >= self._pending.expires_at:
            raise _ticket_expired()

    def _end(self, stored: StoredFile | None) -> None:
        self._closed = True
        seconds = time.monotonic() - self._began
        self._metrics.uploaded(self._size, seconds, success=stored is not None)
        self._ended(stored)


def _ticket_expired() -> MediaFailed:
    return MediaFailed(MediaErrorCode.EXPIRED, "the time for this upload is over; request another")
