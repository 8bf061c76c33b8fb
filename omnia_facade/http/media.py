"""The route of uploads and downloads: `/media/…`."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import msgspec
from aiohttp import web
from msgspec import Struct

from omnia_core.media import UNREADABLE
from omnia_facade.auth.principal import Principal
from omnia_facade.http.body import read_body
from omnia_facade.http.media_bytes import receive
from omnia_facade.http.media_downloads import Downloads
from omnia_facade.http.route import HttpError
from omnia_facade.media.library import MediaLibrary
from omnia_facade.media.port import MediaErrorCode, MediaRefused, Stored, Ticket, UploadRequest
from omnia_facade.media.uploads import MediaUploads
from omnia_facade.metrics.media import MediaMetrics
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
    MediaErrorCode.OVERLOADED: 503,
    MediaErrorCode.STORAGE_FAILED: 503,
    MediaErrorCode.STORAGE_FULL: 507,
}
_LATER = {"Retry-After": "1"}
_HEADERS = dict.fromkeys(
    (
        MediaErrorCode.OVERLOADED,
        MediaErrorCode.STORAGE_FAILED,
        MediaErrorCode.TOO_MANY_OF_USER,
    ),
    _LATER,
)
_HINT = "request an upload with POST /media/request-upload"

_Answer: TypeAlias = Coroutine[Any, Any, web.StreamResponse]


class _Endpoint(Struct, frozen=True):
    """What a path does: its methods, the number of ids in it, and who answers."""

    methods: tuple[str, ...]
    ids: int
    answer: Callable[[web.BaseRequest, Principal, list[str]], _Answer]


class MediaRoute:
    """Takes files and gives them back."""

    public = False

    def __init__(
        self,
        uploads: MediaUploads,
        library: MediaLibrary,
        metrics: MediaMetrics,
        timings: Timings,
    ) -> None:
        self._uploads = uploads
        self._library = library
        self._timings = timings
        self._downloads = Downloads(library, metrics, timings.send)
        self._endpoints = {
            "request-upload": _Endpoint(("POST",), 0, self._request),
            "upload": _Endpoint(("PUT",), 1, self._upload),
            "confirm-upload": _Endpoint(("POST",), 1, self._confirm),
            "info": _Endpoint(("GET", "HEAD"), 2, self._info),
            "download": _Endpoint(("GET", "HEAD"), 2, self._download),
        }

    @property
    def hint(self) -> str:
        return _HINT

    def serves(self, path: str) -> bool:
        return path.startswith(PREFIX) or path == PREFIX.rstrip("/")

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        name, *ids = request.path.removeprefix(PREFIX).split("/")
        endpoint = self._endpoints.get(name)
        if endpoint is None or len(ids) != endpoint.ids:
            raise HttpError(404, "not_found", f"nothing is served here; {_HINT}")
        if request.method not in endpoint.methods:
            allowed = ", ".join(endpoint.methods)
            raise HttpError(
                405, "method_not_allowed", f"this path takes {allowed} only", {"Allow": allowed}
            )
        try:
            return await endpoint.answer(request, caller, ids)
        except MediaRefused as why:
            headers = _HEADERS.get(why.code)
            raise HttpError(STATUS[why.code], why.code, why.message, headers) from why

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
            wanted = msgspec.json.decode(body, type=UploadRequest)
        except UNREADABLE as error:
            raise MediaRefused(MediaErrorCode.INPUT_INVALID, f"the request: {error}") from error
        return _json(await self._uploads.request(wanted, caller))

    async def _upload(
        self, request: web.BaseRequest, caller: Principal, ids: list[str]
    ) -> web.StreamResponse:
        writer = await self._uploads.open(ids[0], caller)
        try:
            await receive(request, writer, self._timings.body)
        except BaseException:
            await writer.abort()
            raise
        return web.Response(status=204)

    async def _confirm(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - its body says nothing
        caller: Principal,
        ids: list[str],
    ) -> web.StreamResponse:
        return _json(await self._uploads.confirm(ids[0], caller))

    async def _info(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - nothing but the path counts
        caller: Principal,
        ids: list[str],
    ) -> web.StreamResponse:
        return _json(await self._library.info(ids[0], ids[1], caller))

    async def _download(
        self, request: web.BaseRequest, caller: Principal, ids: list[str]
    ) -> web.StreamResponse:
        return await self._downloads.answer(request, caller, ids[0], ids[1])


def _json(value: Ticket | Stored) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
