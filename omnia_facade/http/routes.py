"""The HTTP routes of a function. Only function mode imports this, and with it aiohttp."""

import time

import orjson
import structlog
from aiohttp import web

from omnia_facade.auth.chain import Authenticator, Unauthorized
from omnia_facade.auth.principal import Principal
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed
from omnia_facade.functions.function import Function
from omnia_facade.http.head import joined
from omnia_facade.http.statuses import HEADERS, STATUS
from omnia_facade.metrics import Metrics
from omnia_facade.tracing import FacadeTracing

MAX_BODY_BYTES = 1024 * 1024
_PREFIX = "/functions/"

_log = structlog.get_logger()


class FunctionRoutes:
    """`POST /functions/{name}`, and a proper answer to everything else."""

    def __init__(
        self,
        function: Function,
        authenticator: Authenticator,
        metrics: Metrics,
        tracing: FacadeTracing,
    ) -> None:
        self._function = function
        self._authenticator = authenticator
        self._metrics = metrics
        self._tracing = tracing

    def runner(self, drain_seconds: float) -> web.ServerRunner:
        """Return the server; it listens on nothing by itself.

        Its end waits `drain_seconds` for calls that are being answered.
        """
        server = web.Server(self._handle, access_log=None)
        return web.ServerRunner(server, shutdown_timeout=drain_seconds)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        began = time.perf_counter()
        self._metrics.requests_inflight.inc()
        success = False
        try:
            body = await self._answer(request)
            success = True
            return web.Response(body=orjson.dumps(body), content_type="application/json")
        except FunctionFailed as failed:
            return _error(failed)
        except Exception:  # noqa: BLE001 - the caller gets JSON whatever happens
            _log.exception("function call crashed")
            detail = "the call could not be answered; the facade's log says why"
            return _error(FunctionFailed(FunctionErrorCode.INTERNAL_ERROR, detail))
        finally:
            self._metrics.requests_inflight.dec()
            seconds = time.perf_counter() - began
            self._metrics.request_ended("function", seconds, success=success)

    async def _answer(self, request: web.BaseRequest) -> object:
        principal = await self._authenticated(request)
        self._require_function(request.path)
        if request.method != "POST":
            raise FunctionFailed(FunctionErrorCode.METHOD_NOT_ALLOWED, "a function takes POST only")
        if request.content_type != "application/json" or "Content-Type" not in request.headers:
            raise FunctionFailed(
                FunctionErrorCode.UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json"
            )
        with self._tracing.function(self._function.name, request.headers) as span:
            try:
                return await self._function.call(await _body(request), principal)
            except FunctionFailed as failed:
                span.fail(failed.code)
                raise

    async def _authenticated(self, request: web.BaseRequest) -> Principal:
        headers = joined((name.lower(), value) for name, value in request.headers.items())
        try:
            return await self._authenticator.authenticate(headers)
        except Unauthorized as error:
            raise FunctionFailed(FunctionErrorCode.UNAUTHORIZED, str(error)) from error

    def _require_function(self, path: str) -> None:
        if path in (_PREFIX, _PREFIX.rstrip("/")):
            raise FunctionFailed(
                FunctionErrorCode.MISSING_FUNCTION_NAME,
                f"the path needs a name: {_PREFIX}{self._function.name}",
            )
        if not path.startswith(_PREFIX):
            raise FunctionFailed(
                FunctionErrorCode.NOT_FOUND,
                f"nothing is served here; call POST {_PREFIX}{self._function.name}",
            )
        name = path.removeprefix(_PREFIX)
        if name.lower() != self._function.name:
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


def _error(failed: FunctionFailed) -> web.Response:
    return web.Response(
        status=STATUS[failed.code],
        body=orjson.dumps(failed.body),
        content_type="application/json",
        headers=HEADERS.get(failed.code),
    )
