"""The route of uploads and downloads: `/media/…`."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import msgspec
from aiohttp import web
from msgspec import Struct

from omnia_core.jsonvalue import TooDeep, check_depth
from omnia_core.media import UNREADABLE
from omnia_facade.auth.principal import Principal
from omnia_facade.entrance.errors import RETRY_NOW, HttpError
from omnia_facade.http.body import invalid_framing, read_body, send_continue
from omnia_facade.http.downloads import Downloads
from omnia_facade.media.opening import MediaService
from omnia_facade.media.port import (
    MediaErrorCode,
    MediaFailed,
    StoredFile,
    UploadRequest,
    UploadTicket,
    UploadWriter,
)
from omnia_facade.metrics import MediaMetrics
from omnia_facade.timings import Timings

PREFIX = "/media/"
MAX_REQUEST_BYTES = 64 * 1024

STATUS: dict[MediaErrorCode, int] = {
    MediaErrorCode.INPUT_INVALID: 400,
    MediaErrorCode.NOT_FOUND: 404,
    MediaErrorCode.CONFLICT: 409,
    MediaErrorCode.EXPIRED: 410,
    MediaErrorCode.TOO_LARGE: 413,
    MediaErrorCode.TOO_MANY_OF_USER: 429,
    MediaErrorCode.AGENT_UNAVAILABLE: 503,
    MediaErrorCode.OVERLOADED: 503,
    MediaErrorCode.STORAGE_FAILED: 503,
    MediaErrorCode.STORAGE_FULL: 507,
}
_HEADERS = dict.fromkeys(
    (
        MediaErrorCode.AGENT_UNAVAILABLE,
        MediaErrorCode.OVERLOADED,
        MediaErrorCode.STORAGE_FAILED,
        MediaErrorCode.TOO_MANY_OF_USER,
    ),
    RETRY_NOW,
)
_HINT = "request an upload with POST /media/request-upload"

_Answer: TypeAlias = Coroutine[Any, Any, web.StreamResponse]


class _Operation(Struct, frozen=True):
    """What a path does: its methods, the number of ids in it, and its handler."""

    methods: tuple[str, ...]
    ids: int
    answer: Callable[[web.BaseRequest, Principal, list[str]], _Answer]


class MediaRoute:
    """Serves uploads and downloads."""

    public = False

    def __init__(self, media: MediaService, metrics: MediaMetrics, timings: Timings) -> None:
        self._uploads = media.uploads
        self._library = media.library
        self._sessions = media.sessions
        self._timings = timings
        self._downloads = Downloads(media.library, metrics, timings.send)
        self._operations = {
            "request-upload": _Operation(("POST",), 0, self._request),
            "upload": _Operation(("PUT",), 1, self._upload),
            "confirm-upload": _Operation(("POST",), 1, self._confirm),
            "info": _Operation(("GET", "HEAD"), 2, self._info),
            "download": _Operation(("GET", "HEAD"), 2, self._download),
        }

    @property
    def hint(self) -> str:
        return _HINT

    def serves(self, path: str) -> bool:
        return path.startswith(PREFIX) or path == PREFIX.rstrip("/")

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        name, *ids = request.path.removeprefix(PREFIX).split("/")
        operation = self._operations.get(name)
        if operation is None or len(ids) != operation.ids:
            raise HttpError(404, "not_found", f"nothing is served here; {_HINT}")
        if request.method not in operation.methods:
            allowed = ", ".join(operation.methods)
            raise HttpError(
                405, "method_not_allowed", f"this path allows {allowed} only", {"Allow": allowed}
            )
        try:
            return await operation.answer(request, caller, ids)
        except MediaFailed as failure:
            raise HttpError(
                STATUS[failure.code], failure.code, failure.message, _HEADERS.get(failure.code)
            ) from failure

    async def _request(
        self,
        request: web.BaseRequest,
        caller: Principal,
        ids: list[str],  # noqa: ARG002 - this path has none
    ) -> web.StreamResponse:
        if request.content_type != "application/json" or "Content-Type" not in request.headers:
            raise HttpError(
                415, "unsupported_media_type", "expected Content-Type: application/json"
            )
        body = await read_body(request, limit=MAX_REQUEST_BYTES, seconds=self._timings.body)
        try:
            check_depth(body)
            upload = msgspec.json.decode(body, type=UploadRequest)
        except (TooDeep, *UNREADABLE) as error:
            raise MediaFailed(MediaErrorCode.INPUT_INVALID, f"the request: {error}") from error
        await self._sessions.require(upload.session_id, caller)
        return _json(await self._uploads.request(upload, caller))

    async def _upload(
        self, request: web.BaseRequest, caller: Principal, ids: list[str]
    ) -> web.StreamResponse:
        writer = await self._uploads.open(ids[0], caller)
        try:
            await _receive(request, writer, self._timings.body)
        except BaseException:
            await writer.abort()
            raise
        return web.Response(status=204)

    async def _confirm(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - its body has no meaning
        caller: Principal,
        ids: list[str],
    ) -> web.StreamResponse:
        return _json(await self._uploads.confirm(ids[0], caller))

    async def _info(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - only the path matters
        caller: Principal,
        ids: list[str],
    ) -> web.StreamResponse:
        return _json(await self._library.info(ids[0], ids[1], caller))

    async def _download(
        self, request: web.BaseRequest, caller: Principal, ids: list[str]
    ) -> web.StreamResponse:
        return await self._downloads.answer(request, caller, ids[0], ids[1])


async def _receive(request: web.BaseRequest, writer: UploadWriter, stall: float) -> None:
    """Write the body of a request; nothing may arrive for up to `stall` seconds.

    Raises:
        HttpError: 408, 415, 417; 400 if the body has invalid framing.
        MediaFailed: the upload is not accepted.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise HttpError(
            415, "unsupported_media_type", "a file is uploaded without a Content-Encoding"
        )
    send_continue(request)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(stall) as deadline:
            async for data in request.content.iter_any():
                # The time for the disk is not counted against the client.
                deadline.reschedule(None)
                await writer.write(data)
                deadline.reschedule(loop.time() + stall)
    except TimeoutError:
        raise HttpError(408, "request_timeout", f"nothing arrived for {stall:g} s") from None
    except web.RequestPayloadError as error:
        raise invalid_framing() from error
    await writer.finish()


def _json(value: UploadTicket | StoredFile) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
