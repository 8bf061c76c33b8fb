"""Runs blocking work in threads."""

import asyncio
import contextlib
import errno
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import structlog

from omnia_facade.media.port import MediaErrorCode, MediaFailed

P = ParamSpec("P")
T = TypeVar("T")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_log = structlog.get_logger()


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of `work`, which has ended when this ends, even by cancellation.

    Raises:
        MediaFailed: the volume cannot be read or written.
    """
    return await opened_in_thread(partial(work, *args, **kwargs), _nothing)


async def opened_in_thread(work: Callable[[], T], discard: Callable[[T], None]) -> T:
    """Likewise; `discard` closes the result of a cancelled call."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # A descriptor must not be closed while a thread writes to it, however often the caller
        # is cancelled.
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            with contextlib.suppress(OSError):
                discard(task.result())
        raise
    except OSError as error:
        raise _failure(error) from error


def _failure(error: OSError) -> MediaFailed:
    """Log an error of the volume, and return the one for the client."""
    if error.errno in _FULL:
        _log.warning("the volume of the uploads is full", reason=str(error))
        return MediaFailed(MediaErrorCode.STORAGE_FULL, "the volume of the uploads is full")
    _log.error("the volume of the uploads failed", reason=str(error))
    return MediaFailed(
        MediaErrorCode.STORAGE_FAILED, "the volume of the uploads cannot be used; try again later"
    )


def _nothing(_: object) -> None:
    """Discard a result that needs no cleanup."""
