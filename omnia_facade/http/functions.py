"""The route of a function: `POST /functions/{name}`."""

import time

import orjson
from aiohttp import web

from omnia_facade.auth.principal import Principal
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed
from omnia_facade.functions.function import Function
from omnia_facade.http.route import HttpError
from omnia_facade.http.statuses import HEADERS, STATUS
from omnia_facade.metrics import Metrics
from omnia_facade.tracing import FacadeTracing

MAX_BODY_BYTES = 1024 * 1024
PREFIX = "/functions/"


class FunctionRoute:
    """Calls the one function of this agent."""

    public = False

    def __init__(self, function: Function, metrics: Metrics, tracing: FacadeTracing) -> None:
        self._function = function
        self._metrics = metrics
        self._tracing = tracing

    @property
    def hint(self) -> str:
        return f"call POST {PREFIX}{self._function.name}"

    def serves(self, path: str) -> bool:
        return path.startswith(PREFIX) or path == PREFIX.rstrip("/")

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        began = time.perf_counter()
        self._metrics.requests_inflight.inc()
        success = False
        try:
            body = await self._answer(request, caller)
            success = True
            return web.Response(body=orjson.dumps(body), content_type="application/json")
        except FunctionFailed as failed:
            raise HttpError(
                STATUS[failed.code], headers=HEADERS.get(failed.code), **failed.body
            ) from failed
        finally:
            self._metrics.requests_inflight.dec()
            seconds = time.perf_counter() - began
            self._metrics.request_ended("function", seconds, success=success)

    async def _answer(self, request: web.BaseRequest, caller: Principal) -> object:
        self._require_function(request.path)
        if request.method != "POST":
            raise FunctionFailed(FunctionErrorCode.METHOD_NOT_ALLOWED, "a function takes POST only")
        if request.content_type != "application/json" or "Content-Type" not in request.headers:
            raise FunctionFailed(
                FunctionErrorCode.UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json"
            )
        with self._tracing.function(self._function.name, request.headers) as span:
            try:
                return await self._function.call(await _body(request), caller)
            except FunctionFailed as failed:
                span.fail(failed.code)
                raise

    def _require_function(self, path: str) -> None:
        name = path.removeprefix(PREFIX.rstrip("/")).strip("/")
        if not name:
            raise FunctionFailed(
                FunctionErrorCode.MISSING_FUNCTION_NAME,
                f"the path needs a name: {PREFIX}{self._function.name}",
            )
        if path.removeprefix(PREFIX).lower() != self._function.name:
            raise FunctionFailed(
                FunctionErrorCode.FUNCTION_NOT_FOUND,
                f'this agent serves the function "{self._function.name}", not "{name[:64]}"',
            )


async def _body(request: web.BaseRequest) -> bytes:
    """Read the body, and stop reading where it becomes too large."""
    if request.content_length is not None and request.content_length > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    async for data in request.content.iter_any():
        body += data
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
    return bytes(body)


def _too_large() -> FunctionFailed:
    return FunctionFailed(
        FunctionErrorCode.PAYLOAD_TOO_LARGE, f"the body is larger than {MAX_BODY_BYTES} bytes"
    )
