"""The bytes of uploads and downloads, a piece at a time, as long as the client goes on."""

import asyncio
import os

from aiohttp import web

from omnia_facade.http.body import invite
from omnia_facade.http.media_range import Selection
from omnia_facade.http.route import HttpError
from omnia_facade.media.port import Stored, UploadWriter
from omnia_facade.media.threads import in_thread

PIECE_BYTES = 128 * 1024


async def receive(request: web.BaseRequest, writer: UploadWriter, stall: float) -> Stored:
    """Write the body of a request; `stall` is how long nothing may come, in seconds.

    Raises:
        HttpError: 408, 415, 417; 400 when the body breaks its own framing.
        MediaRefused: it is not taken.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise HttpError(
            415, "unsupported_media_type", "a file is sent as it is, without a Content-Encoding"
        )
    invite(request)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(stall) as deadline:
            async for data in request.content.iter_any():
                # Writing may wait for the disk, which is not the client's fault.
                deadline.reschedule(None)
                await writer.write(data)
                deadline.reschedule(loop.time() + stall)
    except TimeoutError:
        raise HttpError(408, "request_timeout", f"nothing came for {stall:g} s") from None
    except web.RequestPayloadError as error:
        raise HttpError(400, "bad_request", "the body breaks its own framing") from error
    return await writer.finish()


async def send(
    response: web.StreamResponse, descriptor: int, selection: Selection, stall: float
) -> None:
    """Send a part of a file; the connection is cut where a client reads nothing for `stall` s.

    Raises:
        ConnectionError: it was cut, or the file ended early.
    """
    position, left = selection.start, selection.length
    while left:
        data = await in_thread(os.pread, descriptor, min(left, PIECE_BYTES), position)
        if not data:
            raise ConnectionError("the file is shorter than its record says")
        try:
            async with asyncio.timeout(stall):
                await response.write(data)
        except TimeoutError:
            raise ConnectionError(f"the client read nothing for {stall:g} s") from None
        position += len(data)
        left -= len(data)
