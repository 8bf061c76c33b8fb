"""The uploads of a facade, as its environment says."""

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path

import structlog
from msgspec import Struct

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_facade.media.files import MediaFiles
from omnia_facade.media.library import MediaLibrary
from omnia_facade.media.policy import TICKET_LIFETIME, Policy, utc_now
from omnia_facade.media.port import MediaRefused
from omnia_facade.media.room import Limits
from omnia_facade.media.sweep import Sweeper
from omnia_facade.media.threads import in_thread
from omnia_facade.media.uploads import MediaUploads
from omnia_facade.metrics.media import MediaMetrics

SWEEP_SECONDS = 15.0
SWEEP_ENTRIES = 1000
_LONGEST = 10 * 365 * 86_400.0

_log = structlog.get_logger()


class Media(Struct, frozen=True):
    """What is written, and what is read."""

    uploads: MediaUploads
    library: MediaLibrary


async def open_media(
    env: FacadeEnv, metrics: MediaMetrics, stack: contextlib.AsyncExitStack
) -> Media:
    """Open the folder of the uploads, and sweep it until `stack` closes.

    Raises:
        ConfigurationError: the folder cannot be used, or the public address is missing.
    """
    url = env.media_public_url
    if url is None:
        raise ConfigurationError(
            f"{env.variable('media_public_url')}: missing; clients need an address to send their"
            " uploads to"
        )
    ttl = timedelta(seconds=min(env.media_default_ttl.seconds, _LONGEST))
    policy = Policy(url.rstrip("/"), env.media_max_file_size, ttl)
    limits = Limits(
        env.media_max_session_size.count, env.media_max_session_files, env.media_max_pending
    )
    files = MediaFiles(Path(env.media_storage_path), limits)
    try:
        await asyncio.to_thread(files.prepare)
    except OSError as error:
        raise ConfigurationError(
            f"{env.variable('media_storage_path')}: the folder {env.media_storage_path} cannot be"
            f" used: {error.strerror}"
        ) from error
    uploads = MediaUploads(files, policy, metrics, utc_now)
    stack.push_async_callback(uploads.close)
    sweeping = asyncio.create_task(_sweep(Sweeper(files.root, utc_now, TICKET_LIFETIME)))
    stack.push_async_callback(_end, sweeping)
    return Media(uploads, MediaLibrary(files, policy, utc_now))


async def _sweep(sweeper: Sweeper) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            await in_thread(sweeper.step, SWEEP_ENTRIES)
        except MediaRefused:
            continue
        except Exception:  # noqa: BLE001 - what comes next in the folder is swept all the same
            _log.exception("an upload was not swept")


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
