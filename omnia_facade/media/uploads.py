"""Permissions to upload, and the writers of what comes."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from weakref import WeakValueDictionary

from omnia_facade.auth.principal import Principal
from omnia_facade.media.files import MediaFiles
from omnia_facade.media.policy import Policy
from omnia_facade.media.port import (
    MediaErrorCode,
    MediaRefused,
    Stored,
    Ticket,
    UploadRequest,
)
from omnia_facade.media.room import Pending
from omnia_facade.media.threads import in_thread, opened_in_thread
from omnia_facade.media.watches import LOOK_SECONDS, Completed, Watches
from omnia_facade.media.writer import FileWriter, Part
from omnia_facade.metrics.media import MediaMetrics

# Uploads that a pod takes at the same time; each has some bytes in memory.
MAX_OPEN = 128
# Of them those of one user who is known.
MAX_OPEN_OF_USER = 32

_UPLOAD_ID = re.compile(r"upl-[0-9a-f]{32}")


class MediaUploads:
    """Takes uploads of this agent, requested here or in another pod."""

    def __init__(
        self,
        files: MediaFiles,
        policy: Policy,
        metrics: MediaMetrics,
        now: Callable[[], datetime],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._files = files
        self._policy = policy
        self._metrics = metrics
        self._now = now
        self._open: dict[str, Pending] = {}
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._watches = Watches(lambda ids: in_thread(self._complete, ids), look_seconds)

    async def close(self) -> None:
        """Watch nothing any more."""
        await self._watches.close()

    async def request(self, request: UploadRequest, caller: Principal) -> Ticket:
        """Return a ticket."""
        pending = self._policy.pending(request, caller.user_id, self._now())
        # Of several requests at once each sees what the others have reserved.
        lock = self._asking.get(request.session_id)
        if lock is None:
            lock = self._asking[request.session_id] = asyncio.Lock()
        async with lock:
            await in_thread(self._files.reserve, pending, self._now())
        return self._policy.ticket(pending)

    async def open(self, upload_id: str, caller: Principal) -> FileWriter:
        """Begin to take the bytes of an upload that the same caller requested."""
        pending = await self._awaited(upload_id, caller)
        self._open[upload_id] = pending
        try:
            part = await opened_in_thread(
                lambda: Part(partial(self._files.begin, upload_id), self._files.forget), Part.forget
            )
        except BaseException:
            del self._open[upload_id]
            raise

        def ended(stored: Stored | None) -> None:
            self._open.pop(upload_id, None)
            if stored:
                self._watches.complete(upload_id, stored)

        keep = partial(self._keep, pending)
        return FileWriter(pending, part, keep, self._metrics, ended, self._now)

    def watch(self, upload_id: str, completed: Completed) -> Callable[[], None]:
        """Call back once when the upload is complete; what is returned ends the watch."""
        return self._watches.add(upload_id, completed)

    async def confirm(self, upload_id: str, caller: Principal) -> Stored:
        """Return the file that an upload has become."""
        pending, done = await self._requested(upload_id, caller)
        record = await in_thread(self._files.record, pending.ref) if done else None
        if record is None:
            raise MediaRefused(
                MediaErrorCode.CONFLICT,
                f"this upload is not complete; PUT its {pending.size_bytes} bytes first",
            )
        return self._policy.stored(record)

    async def _awaited(self, upload_id: str, caller: Principal) -> Pending:
        pending, done = await self._requested(upload_id, caller)
        now = self._now()
        if done:
            raise MediaRefused(MediaErrorCode.CONFLICT, "this upload is complete")
        if pending.expires_at <= now:
            raise MediaRefused(
                MediaErrorCode.EXPIRED, "the time for this upload is over; request another"
            )
        if upload_id in self._open:
            raise MediaRefused(MediaErrorCode.CONFLICT, "this upload is being sent already")
        # One whose time is over takes no more bytes, though its client may not have noticed.
        users = [each.user_id for each in self._open.values() if each.expires_at > now]
        if pending.user_id and users.count(pending.user_id) >= MAX_OPEN_OF_USER:
            raise MediaRefused(
                MediaErrorCode.TOO_MANY_OF_USER,
                f"this user sends {MAX_OPEN_OF_USER} files already; finish one first",
            )
        if len(users) >= MAX_OPEN:
            raise MediaRefused(
                MediaErrorCode.OVERLOADED,
                f"this server takes {MAX_OPEN} uploads already; send the file again later",
            )
        return pending

    async def _requested(self, upload_id: str, caller: Principal) -> tuple[Pending, bool]:
        found = None
        if _UPLOAD_ID.fullmatch(upload_id):
            found = await in_thread(self._files.pending, upload_id)
        if found is None or found[0].user_id not in ("", caller.user_id):
            raise MediaRefused(MediaErrorCode.NOT_FOUND, "there is no such upload")
        return found

    def _keep(self, pending: Pending, part: str) -> Stored:
        record = self._policy.record(pending, self._now())
        if not self._files.keep(pending, part, record):
            raise MediaRefused(MediaErrorCode.CONFLICT, "this upload is complete")
        return self._policy.stored(record)

    def _complete(self, upload_ids: list[str]) -> dict[str, Stored]:
        complete = {}
        for upload_id in upload_ids:
            found = self._files.pending(upload_id)
            record = self._files.record(found[0].ref) if found and found[1] else None
            if record:
                complete[upload_id] = self._policy.stored(record)
        return complete
