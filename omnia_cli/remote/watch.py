"""The changes of objects in a namespace, from the watch of kubectl."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from omnia_cli.cluster import missing, watch_command
from omnia_cli.reaper import Reaper

# Several changes often come together.
_PAUSE_SECONDS = 0.5


async def changed(plural: str, namespace: str, reaper: Reaper) -> AsyncIterator[None]:
    """Yield once for the changes of a moment, until kubectl ends its watch.

    Raises:
        KubectlFailed: kubectl is not there.
    """
    try:
        # In a session of its own, because Ctrl-C is for this process.
        process = await asyncio.create_subprocess_exec(
            *watch_command(plural, namespace),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise missing() from error
    reaper.watch(process.pid)
    assert process.stdout  # noqa: S101 - it is a pipe
    try:
        while await process.stdout.read(65536):
            await asyncio.sleep(_PAUSE_SECONDS)
            yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        reaper.forget(process.pid)
