"""Downloads: how many at once, what each gets of its file, and its bytes."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from aiohttp import web

from omnia_facade.auth.principal import Principal
from omnia_facade.http.media_bytes import send
from omnia_facade.http.media_range import Selection, download_headers, entity_tag, select
from omnia_facade.http.route import HttpError
from omnia_facade.media.library import Download, MediaLibrary
from omnia_facade.media.port import MediaErrorCode, MediaRefused
from omnia_facade.metrics.media import MediaMetrics

# Downloads that a pod sends at the same time; each has a piece in memory.
MAX_DOWNLOADS = 256
# Of them those of one user who is known.
MAX_DOWNLOADS_OF_USER = 64

_log = structlog.get_logger()


class Downloads:
    """Sends files to who may have them."""

    def __init__(self, library: MediaLibrary, metrics: MediaMetrics, stall: float) -> None:
        """`stall` is how long a client may read nothing, in seconds."""
        self._library = library
        self._metrics = metrics
        self._stall = stall
        self._users: Counter[str] = Counter()

    async def answer(
        self, request: web.BaseRequest, caller: Principal, session_id: str, media_id: str
    ) -> web.StreamResponse:
        """Send a file, or the part of it that was asked for.

        Raises:
            HttpError: 416.
            MediaRefused: there is no such file, or too many are being sent.
        """
        with self._place(caller.user_id):
            download = await self._library.download(session_id, media_id, caller)
            try:
                return await self._send(request, download)
            finally:
                os.close(download.descriptor)

    @contextmanager
    def _place(self, user_id: str) -> Iterator[None]:
        if user_id and self._users[user_id] >= MAX_DOWNLOADS_OF_USER:
            raise MediaRefused(
                MediaErrorCode.TOO_MANY_OF_USER,
                f"this user is sent {MAX_DOWNLOADS_OF_USER} files already; read one first",
            )
        if self._users.total() >= MAX_DOWNLOADS:
            raise MediaRefused(
                MediaErrorCode.OVERLOADED,
                f"this server sends {MAX_DOWNLOADS} files already; ask again later",
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
        selection = select(request.method, request.headers, entity_tag(record), size)
        part = selection.content_range(size)
        if selection.status == 416:  # noqa: PLR2004 - an HTTP status
            raise HttpError(
                416,
                "range_not_satisfiable",
                f"the file has {size} bytes",
                {"Content-Range": part},
            )
        response = web.StreamResponse(status=selection.status, headers=download_headers(record))
        if part:
            response.headers["Content-Range"] = part
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
        selection: Selection,
    ) -> None:
        done = False
        try:
            await send(response, descriptor, selection, self._stall)
            done = True
        except (ConnectionError, MediaRefused) as error:
            # More was promised than comes: only the end of the connection says so.
            _log.warning("download cut", reason=str(error))
            if request.transport:
                request.transport.abort()
        finally:
            self._metrics.downloaded(selection.length, success=done)
