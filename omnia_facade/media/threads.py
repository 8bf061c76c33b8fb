"""Work that blocks, in threads."""

import asyncio
import contextlib
import errno
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import structlog

from omnia_facade.media.port import MediaErrorCode, MediaRefused

P = ParamSpec("P")
T = TypeVar("T")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_log = structlog.get_logger()


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `work` returns. It has ended when this ends, also when this is cancelled.

    Raises:
        MediaRefused: the volume cannot be read or written.
    """
    return await opened_in_thread(partial(work, *args, **kwargs), _nothing)


async def opened_in_thread(work: Callable[[], T], discard: Callable[[T], None]) -> T:
    """Likewise; `discard` closes what was opened for nobody, because this was cancelled."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # A descriptor that a thread writes to must not be closed under it, however often the
        # caller is cancelled.
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            with contextlib.suppress(OSError):
                discard(task.result())
        raise
    except OSError as error:
        raise refused(error) from error


def refused(error: OSError) -> MediaRefused:
    """Return what a client is told of an error of the volume."""
    if error.errno in _FULL:
        _log.warning("the volume of the uploads is full", reason=str(error))
        return MediaRefused(MediaErrorCode.STORAGE_FULL, "the volume of the uploads is full")
    _log.error("the volume of the uploads failed", reason=str(error))
    return MediaRefused(
        MediaErrorCode.STORAGE_FAILED, "the volume of the uploads cannot be used; try again later"
    )


def _nothing(_: object) -> None:
    """Discard what needs no end."""
