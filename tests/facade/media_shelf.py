"""The storage of uploads of one pod, without a server, and with a clock that is set by hand."""

import os
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from omnia_facade.auth.principal import Principal
from omnia_facade.media.files import KEY, MediaFiles, prepare
from omnia_facade.media.library import MediaLibrary
from omnia_facade.media.policy import TICKET_LIFETIME, MediaPolicy
from omnia_facade.media.port import (
    MediaErrorCode,
    MediaFailed,
    StoredFile,
    UploadRequest,
    UploadTicket,
)
from omnia_facade.media.quota import UploadQuota
from omnia_facade.media.sweep import MediaSweeper
from omnia_facade.media.uploads import MediaUploads
from omnia_facade.media.usage import VolumeLimits, VolumeUsage
from omnia_facade.metrics import FacadeMetrics

ANN = Principal(subject="ann", user_id="a1")
BEN = Principal(subject="ben", user_id="b2")
TTL = timedelta(hours=2)
SECOND = timedelta(seconds=1)
ROOMY = VolumeLimits(1 << 40, 1 << 40)


class Shelf:
    """The uploads of one pod, and a clock that is set by hand."""

    def __init__(self, root: Path, limits: VolumeLimits = ROOMY) -> None:
        self.now = datetime.now(UTC)
        self.root = root
        self.registry = CollectorRegistry()
        metrics = FacadeMetrics(self.registry, agent="a", namespace="n").media
        self.usage = VolumeUsage(limits)
        files = MediaFiles(root, UploadQuota(1 << 20, 100, 16), self.usage)
        prepare(root)
        policy = MediaPolicy("http://agent", 1 << 20, TTL)
        self.uploads = MediaUploads(files, policy, metrics, self.clock, poll_seconds=0.01)
        self.library = MediaLibrary(files, policy, self.clock)
        self.sweeper = MediaSweeper(root, self.clock, TICKET_LIFETIME, self.usage)

    def clock(self) -> datetime:
        return self.now

    async def ticket(
        self, session: str = "s", size: int = 5, caller: Principal | None = None
    ) -> UploadTicket:
        request = UploadRequest(session, "a.txt", "text/plain", size)
        return await self.uploads.request(request, caller or ANN)

    async def write(
        self, ticket: UploadTicket, data: bytes = b"bytes", caller: Principal | None = None
    ) -> StoredFile:
        writer = await self.uploads.open(ticket.upload_id, caller or ANN)
        await writer.write(data)
        return await writer.finish()

    def sweep(self) -> None:
        """End the round that is begun, and sweep a whole one."""
        for _ in range(2):
            for _ in range(1000):
                if self.sweeper.step(10):
                    break

    def age(self, by: timedelta) -> None:
        """Let time pass, for the clock and for every file."""
        self.now += by
        for path in [self.root, *self.root.rglob("*")]:
            status = path.lstat()
            past = status.st_mtime - by.total_seconds()
            os.utime(path, (past, past), follow_symlinks=False)
        self.now -= by

    def names(self) -> set[str]:
        return {path.name for path in self.root.rglob("*")} - {KEY}


async def refusal(work: Awaitable[object]) -> MediaErrorCode:
    with pytest.raises(MediaFailed) as refused:
        await work
    return refused.value.code
