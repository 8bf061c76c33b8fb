"""The route of a function: `POST /functions/{name}`."""

import asyncio
import time
import uuid

import structlog
from aiohttp import web

from omnia_core.telemetry.tracing import names
from omnia_facade.auth.principal import Principal
from omnia_facade.entrance.rejections import Rejection
from omnia_facade.functions.call import Call, Outcome, failed
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed
from omnia_facade.functions.function import Function
from omnia_facade.http.body import read_body
from omnia_facade.http.preferences import idempotency_key, wait_seconds
from omnia_facade.http.route import HttpError
from omnia_facade.http.statuses import HEADERS, STATUS
from omnia_facade.idempotency.once import Once
from omnia_facade.metrics import Metrics
from omnia_facade.timings import Timings
from omnia_facade.tracing import FacadeTracing

MAX_BODY_BYTES = 1024 * 1024
PREFIX = "/functions/"
INVOCATION = "X-Invocation-Id"
REPLAYED = "Idempotency-Replayed"
APPLIED = "Preference-Applied"


class FunctionRoute:
    """Calls the one function of this agent."""

    public = False

    def __init__(
        self,
        function: Function,
        once: Once,
        metrics: Metrics,
        tracing: FacadeTracing,
        timings: Timings,
        *,
        call_seconds: float,
        max_calls: int,
    ) -> None:
        """`call_seconds` is the longest that a caller waits, `max_calls` how many may at once."""
        self._function = function
        self._once = once
        self._metrics = metrics
        self._tracing = tracing
        self._body_seconds = timings.body
        self._call_seconds = call_seconds
        self._max_calls = max_calls
        self._calls = 0
        # Bound once: to find out that a line is not wanted then costs nothing.
        self._log = structlog.get_logger().bind()

    @property
    def hint(self) -> str:
        return f"call POST {PREFIX}{self._function.name}"

    def serves(self, path: str) -> bool:
        return path.startswith(PREFIX) or path == PREFIX.rstrip("/")

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        try:
            self._require_function(request.path)
            _require_call(request)
            key = idempotency_key(request.headers.getall("Idempotency-Key", ()))
            self._require_room()
        except FunctionFailed as why:
            raise HttpError(STATUS[why.code], headers=HEADERS.get(why.code), **why.body) from why
        wait = wait_seconds(request.headers.getall("Prefer", ()))
        shortened = wait is not None and wait < self._call_seconds
        seconds = float(wait) if wait is not None and shortened else self._call_seconds
        call = Call(str(uuid.uuid4()), caller, seconds, key)
        response = await self._counted(request, call)
        if shortened:
            response.headers[APPLIED] = f"wait={wait}"
        return response

    async def _counted(self, request: web.BaseRequest, call: Call) -> web.Response:
        began = time.perf_counter()
        self._calls += 1
        self._metrics.requests_inflight.inc()
        error: str | None = "cancelled"
        try:
            outcome = await self._outcome(request, call)
            error = outcome.error
            return _response(outcome)
        except HttpError as refused:
            error = refused.body["error"]
            refused.headers = {**(refused.headers or {}), INVOCATION: call.invocation_id}
            raise
        except Exception as crash:
            error = FunctionErrorCode.INTERNAL_ERROR
            self._log.exception("function crashed", invocation_id=call.invocation_id)
            detail = f"the facade's log says more of invocation {call.invocation_id}"
            raise HttpError(
                STATUS[error], error, detail, {INVOCATION: call.invocation_id}
            ) from crash
        finally:
            self._calls -= 1
            self._metrics.requests_inflight.dec()
            seconds = time.perf_counter() - began
            self._metrics.request_ended("function", seconds, success=error is None)
            # Each line costs a tenth of a call; what went well is in the session store too.
            (self._log.info if error else self._log.debug)(
                "function called",
                invocation_id=call.invocation_id,
                outcome=error or "success",
                duration_ms=round(seconds * 1000),
                user_id=call.caller.user_id,
            )

    async def _outcome(self, request: web.BaseRequest, call: Call) -> Outcome:
        with self._tracing.function(self._function.name, request.headers) as span:
            span.set_attribute(names.OMNIA_INVOCATION, call.invocation_id)
            try:
                body = await read_body(request, limit=MAX_BODY_BYTES, seconds=self._body_seconds)
                input_json = self._function.checked_input(body)
                outcome = await self._run(input_json, call)
            except FunctionFailed as why:
                outcome = failed(call, why)
            if outcome.error:
                span.set_error(outcome.error)
            return outcome

    async def _run(self, input_json: str, call: Call) -> Outcome:
        if call.key is None:
            return await self._function.run(input_json, call)
        # The caller will come back with the key: the call goes on without them.
        running = asyncio.ensure_future(
            self._once.answer(
                call.key, input_json, call, lambda: self._function.run(input_json, call)
            )
        )
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait({running})
            if not running.cancelled():
                running.exception()
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

    def _require_room(self) -> None:
        if self._calls >= self._max_calls:
            self._metrics.rejected(Rejection.OVERLOADED)
            raise FunctionFailed(
                FunctionErrorCode.OVERLOADED,
                f"this server answers {self._max_calls} calls already; send the call again later",
            )


def _require_call(request: web.BaseRequest) -> None:
    if request.method != "POST":
        raise FunctionFailed(FunctionErrorCode.METHOD_NOT_ALLOWED, "a function takes POST only")
    if request.content_type != "application/json" or "Content-Type" not in request.headers:
        raise FunctionFailed(
            FunctionErrorCode.UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json"
        )


def _response(outcome: Outcome) -> web.Response:
    headers = {INVOCATION: outcome.invocation_id}
    status = 200
    if outcome.error:
        status = STATUS[outcome.error]
        headers |= HEADERS.get(outcome.error, {})
    if outcome.replayed:
        headers[REPLAYED] = "true"
    return web.Response(
        status=status, body=outcome.body, content_type="application/json", headers=headers
    )
