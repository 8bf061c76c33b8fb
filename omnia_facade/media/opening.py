"""Opens the storage of uploads from the environment."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_facade.context import ProcessContext
from omnia_facade.media.files import MediaFiles, prepare
from omnia_facade.media.library import MediaLibrary
from omnia_facade.media.policy import TICKET_LIFETIME, MediaPolicy, utc_now
from omnia_facade.media.quota import UploadQuota
from omnia_facade.media.sessions import Probe, SessionIds, UploadSessions
from omnia_facade.media.sweep import MediaSweeper
from omnia_facade.media.uploads import MediaUploads
from omnia_facade.media.usage import FILE_BYTES, VolumeLimits, VolumeUsage

_LONGEST = 10 * 365 * 86_400.0


class MediaService(Struct, frozen=True):
    """Writes and reads files, and knows the sessions that they belong to."""

    uploads: MediaUploads
    library: MediaLibrary
    sessions: UploadSessions


async def open_media(context: ProcessContext, probe: Probe | None) -> MediaService:
    """Open the folder of the uploads, and sweep it until the stack of the context closes.

    `probe` looks a session up; None where there are no sessions.

    Raises:
        ConfigurationError: the folder cannot be used, or the public address is missing.
    """
    env = context.env
    url = env.media_public_url
    if url is None:
        raise ConfigurationError(
            f"{env.variable('media_public_url')}: missing; set the address that clients send their"
            " uploads to"
        )
    ttl = timedelta(seconds=min(env.media_default_ttl.seconds, _LONGEST))
    policy = MediaPolicy(url.rstrip("/"), env.media_max_file_size, ttl)
    quota = UploadQuota(
        env.media_max_session_size.count, env.media_max_session_files, env.media_max_pending
    )
    root = Path(env.media_storage_path)
    try:
        key, limits = await asyncio.to_thread(_prepared, root, env)
    except OSError as error:
        raise ConfigurationError(
            f"{env.variable('media_storage_path')}: the folder {env.media_storage_path} cannot be"
            f" used: {error.strerror}"
        ) from error
    usage = VolumeUsage(limits)
    files = MediaFiles(root, quota, usage)
    uploads = MediaUploads(files, policy, context.metrics.media, utc_now)
    context.stack.push_async_callback(uploads.close)
    sweeper = MediaSweeper(root, utc_now, TICKET_LIFETIME, usage)
    context.stack.push_async_callback(_cancel, asyncio.create_task(sweeper.run()))
    sessions = UploadSessions(SessionIds(key), probe)
    return MediaService(uploads, MediaLibrary(files, policy, utc_now), sessions)


def _prepared(root: Path, env: FacadeEnv) -> tuple[bytes, VolumeLimits]:
    """Make the folder of the uploads; return the key of its sessions, and its limits. Blocks."""
    key = prepare(root)
    status = os.statvfs(root)
    size = status.f_blocks * status.f_frsize
    volume = env.media_max_volume_size.count if env.media_max_volume_size else size
    if env.media_max_user_size:
        return key, VolumeLimits(volume, env.media_max_user_size.count)
    # One user must not take the room of all others; one file may always be there.
    return key, VolumeLimits(volume, max(volume // 2, env.media_max_file_size + FILE_BYTES))


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
