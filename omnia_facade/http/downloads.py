"""Downloads of media files, with ranges and conditions (RFC 9110, sections 13 and 14)."""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

import structlog
from aiohttp import web
from msgspec import Struct

from omnia_core.http.errors import HttpError
from omnia_core.media import MediaRecord
from omnia_facade.auth.principal import Principal
from omnia_facade.media.library import Download, MediaLibrary
from omnia_facade.media.port import MediaErrorCode, MediaFailed
from omnia_facade.media.threads import in_thread
from omnia_facade.metrics import MediaMetrics

# Downloads that a pod sends at a time; each has a piece in memory.
MAX_DOWNLOADS = 256
# The limit of each authenticated user.
MAX_DOWNLOADS_OF_USER = 64
PIECE_BYTES = 128 * 1024

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)
# What a quoted string has to escape, and what some clients interpret as a path or an escape.
_UNSAFE = re.compile(r'["\\/%]|[^\x20-\x7e]')

_log = structlog.get_logger()


class Downloads:
    """Sends files to the callers that may read them."""

    def __init__(self, library: MediaLibrary, metrics: MediaMetrics, stall: float) -> None:
        """A client that reads nothing for `stall` seconds is disconnected."""
        self._library = library
        self._metrics = metrics
        self._stall = stall
        self._users: Counter[str] = Counter()

    async def answer(
        self, request: web.BaseRequest, caller: Principal, session_id: str, media_id: str
    ) -> web.StreamResponse:
        """Send a file, or the requested range of it.

        Raises:
            HttpError: 416.
            MediaFailed: there is no such file, or too many downloads are in progress.
        """
        with self._counted(caller.user_id):
            download = await self._library.download(session_id, media_id, caller)
            try:
                return await self._send(request, download)
            finally:
                os.close(download.descriptor)

    @contextmanager
    def _counted(self, user_id: str) -> Iterator[None]:
        if user_id and self._users[user_id] >= MAX_DOWNLOADS_OF_USER:
            raise MediaFailed(
                MediaErrorCode.TOO_MANY_OF_USER,
                f"this user has {MAX_DOWNLOADS_OF_USER} downloads in progress, the limit per user;"
                " finish one first",
            )
        if self._users.total() >= MAX_DOWNLOADS:
            raise MediaFailed(
                MediaErrorCode.OVERLOADED,
                f"this server has {MAX_DOWNLOADS} downloads in progress, its limit; try again"
                " later",
            )
        self._users[user_id] += 1
        try:
            yield
        finally:
            self._users[user_id] -= 1
            if not self._users[user_id]:
                del self._users[user_id]

    async def _send(self, request: web.BaseRequest, download: Download) -> web.StreamResponse:
        record, size = download.record, download.record.size_bytes
        selection = select(request.method, request.headers, _entity_tag(record), size)
        content_range = selection.content_range(size)
        if selection.status == 416:  # noqa: PLR2004 - an HTTP status
            raise HttpError(
                416,
                "range_not_satisfiable",
                f"the file has {size} bytes",
                {"Content-Range": content_range},
            )
        response = web.StreamResponse(status=selection.status, headers=_headers(record))
        if content_range:
            response.headers["Content-Range"] = content_range
        if selection.status != 304:  # noqa: PLR2004 - likewise; it has no body
            response.content_length = selection.length
        await response.prepare(request)
        if request.method == "GET" and selection.length:
            await self._send_bytes(request, response, download.descriptor, selection)
        return response

    async def _send_bytes(
        self,
        request: web.BaseRequest,
        response: web.StreamResponse,
        descriptor: int,
        selection: "Selection",
    ) -> None:
        success = False
        try:
            await _copy(response, descriptor, selection, self._stall)
            success = True
        except (ConnectionError, MediaFailed) as error:
            # The head has promised more bytes: only closing the connection can report this.
            _log.warning("download aborted", reason=str(error))
            if request.transport:
                request.transport.abort()
        finally:
            self._metrics.downloaded(selection.length, success=success)


class Selection(Struct, frozen=True):
    """What to answer: a status, and `length` bytes from `start`."""

    status: int
    start: int
    length: int

    def content_range(self, size: int) -> str:
        """Return the Content-Range header for a file of `size` bytes; "" if there is none."""
        if self.status == 416:  # noqa: PLR2004 - an HTTP status
            return f"bytes */{size}"
        if self.status == 206:  # noqa: PLR2004 - likewise
            return f"bytes {self.start}-{self.start + self.length - 1}/{size}"
        return ""


def select(method: str, headers: Mapping[str, str], etag: str, size: int) -> Selection:
    """Choose what a GET or HEAD gets: 200, 206, 304 or 416.

    Several ranges, and an invalid one, are answered with the whole file, which is permitted.
    """
    known = headers.get("If-None-Match", "")
    if known.strip() == "*" or etag in {tag.strip().removeprefix("W/") for tag in known.split(",")}:
        return Selection(304, 0, 0)
    found = _RANGE.fullmatch(headers.get("Range", "")) if method == "GET" else None
    if found is None or headers.get("If-Range") not in (None, etag):
        return Selection(200, 0, size)
    first, last = found.groups()
    if not first:
        if not last:
            return Selection(200, 0, size)
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), int(last) if last else size - 1
        if last and end < start:
            return Selection(200, 0, size)
    end = min(end, size - 1)
    if start >= size:
        return Selection(416, 0, 0)
    return Selection(206, start, end - start + 1)


def content_disposition(filename: str) -> str:
    """Return a Content-Disposition (RFC 6266): the name in ASCII, and in UTF-8 if it differs."""
    plain = _UNSAFE.sub("_", filename)
    header = f'attachment; filename="{plain}"'
    if plain == filename:
        return header
    name = filename.replace("/", "_").replace("\\", "_")
    return f"{header}; filename*=UTF-8''{quote(name, safe='')}"


def _entity_tag(record: MediaRecord) -> str:
    """Return the ETag: a file never changes, so its id is enough."""
    return f'"{record.media_id}"'


def _headers(record: MediaRecord) -> dict[str, str]:
    """Return the headers of a file. They keep browsers from running it as a page of the agent."""
    return {
        "Content-Type": record.mime_type,
        "Content-Disposition": content_disposition(record.filename),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
        "ETag": _entity_tag(record),
    }


async def _copy(
    response: web.StreamResponse, descriptor: int, selection: Selection, stall: float
) -> None:
    """Send a part of a file.

    Raises:
        ConnectionError: the client disconnected or read nothing for `stall` seconds, or the file
            is too short.
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
