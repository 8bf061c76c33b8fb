"""The route of a function: `POST /functions/{name}`."""

import re
import time
from collections.abc import Sequence

import structlog
from aiohttp import web
from msgspec import structs

from omnia_core.http.connection import error_response
from omnia_core.http.errors import HttpError
from omnia_core.session_ids import new_session_id
from omnia_core.telemetry.tracing import names
from omnia_facade.auth.principal import Principal, affinity_of
from omnia_facade.context import ProcessContext
from omnia_facade.entrance.errors import Rejection
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed
from omnia_facade.functions.function import Function, FunctionAnswer, FunctionInvocation
from omnia_facade.http.body import read_body

MAX_BODY_BYTES = 1024 * 1024
PREFIX = "/functions/"
INVOCATION = "X-Invocation-Id"
REPLAYED = "Idempotency-Replayed"
APPLIED = "Preference-Applied"

# RFC 7240, section 4.3, in its only useful form: seconds, at least one.
_WAIT = re.compile(r'wait\s*=\s*"?0*([1-9][0-9]{0,8})"?\s*(?:;|$)', re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class FunctionRoute:
    """Calls the function of this agent."""

    public = False

    def __init__(self, function: Function, context: ProcessContext) -> None:
        self._function = function
        self._metrics = context.metrics
        self._tracing = context.tracing
        self._body_seconds = context.timings.body
        self._call_seconds = context.env.turn_timeout.seconds
        self._max_calls = context.env.max_calls
        self._calls = 0
        # Bound once, so that a log call below the level costs little.
        self._log = structlog.get_logger().bind()

    @property
    def hint(self) -> str:
        return f"call POST {PREFIX}{self._function.name}"

    def serves(self, path: str) -> bool:
        return path.startswith(PREFIX) or path == PREFIX.rstrip("/")

    async def answer(self, request: web.BaseRequest, caller: Principal) -> web.StreamResponse:
        self._require_function(request.path)
        _require_post_of_json(request)
        key = _idempotency_key(request.headers.getall("Idempotency-Key", ()))
        self._require_capacity()
        wait = _preferred_wait(request.headers.getall("Prefer", ()))
        shortened = wait is not None and wait < self._call_seconds
        seconds = float(wait) if wait is not None and shortened else self._call_seconds
        if key and not caller.affinity:
            # A repetition of the call is placed like the first.
            caller = structs.replace(caller, affinity=affinity_of(key))
        call = FunctionInvocation(new_session_id(), caller, seconds, key)
        response = await self._observed(request, call)
        if shortened:
            response.headers[APPLIED] = f"wait={wait}"
        return response

    async def _observed(self, request: web.BaseRequest, call: FunctionInvocation) -> web.Response:
        """Answer a call, with its metrics and its line in the log."""
        began = time.perf_counter()
        self._calls += 1
        self._metrics.requests_inflight.inc()
        error: str | None = "cancelled"
        try:
            response, error = await self._traced(request, call)
        except HttpError as failure:
            error = failure.error
            failure.headers[INVOCATION] = call.invocation_id
            raise
        except Exception as crash:
            error = FunctionErrorCode.INTERNAL_ERROR
            self._log.exception("function crashed", invocation_id=call.invocation_id)
            detail = f"see invocation {call.invocation_id} in the facade's log"
            crashed = FunctionFailed(error, detail)
            crashed.headers[INVOCATION] = call.invocation_id
            raise crashed from crash
        finally:
            self._calls -= 1
            self._metrics.requests_inflight.dec()
            seconds = time.perf_counter() - began
            self._metrics.request_ended(
                "function",
                seconds,
                success=error is None,
                variant=self._function.variant_of(call),
            )
            # A line costs a tenth of a call; the session store has the successful ones too.
            (self._log.info if error else self._log.debug)(
                "function called",
                invocation_id=call.invocation_id,
                outcome=error or "success",
                duration_ms=round(seconds * 1000),
                user_id=call.caller.user_id,
            )
        return response

    async def _traced(
        self, request: web.BaseRequest, call: FunctionInvocation
    ) -> tuple[web.Response, FunctionErrorCode | None]:
        """Answer a call in its span; return the response, and its error code."""
        with self._tracing.function(self._function.name, request.headers) as span:
            span.set_attribute(names.OMNIA_INVOCATION, call.invocation_id)
            try:
                body = await read_body(request, limit=MAX_BODY_BYTES, seconds=self._body_seconds)
                return _success(await self._function.run(body, call)), None
            except FunctionFailed as failure:
                span.set_error(failure.code)
                return _failure(failure, call), failure.code

    def _require_function(self, path: str) -> None:
        name = path.removeprefix(PREFIX.rstrip("/")).strip("/")
        if not name:
            raise FunctionFailed(
                FunctionErrorCode.MISSING_FUNCTION_NAME,
                f"the path needs a name: {PREFIX}{self._function.name}",
            )
        asked = path.removeprefix(PREFIX)
        if asked.lower() != self._function.name:
            raise FunctionFailed(
                FunctionErrorCode.FUNCTION_NOT_FOUND,
                f'this agent serves the function "{self._function.name}", not "{asked[:64]}"',
            )

    def _require_capacity(self) -> None:
        if self._calls >= self._max_calls:
            self._metrics.rejected(Rejection.OVERLOADED)
            raise FunctionFailed(
                FunctionErrorCode.OVERLOADED,
                f"this server has {self._max_calls} calls in progress, its limit; send the call"
                " again later",
            )


def _require_post_of_json(request: web.BaseRequest) -> None:
    if request.method != "POST":
        raise FunctionFailed(FunctionErrorCode.METHOD_NOT_ALLOWED, "a function is called with POST")
    if request.content_type != "application/json" or "Content-Type" not in request.headers:
        raise FunctionFailed(
            FunctionErrorCode.UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json"
        )


def _preferred_wait(values: Sequence[str]) -> int | None:
    """Return the seconds of the first valid `Prefer: wait=…`; other preferences are ignored."""
    for value in values:
        for preference in value.split(","):
            found = _WAIT.match(preference.strip())
            if found:
                return int(found[1])
    return None


def _idempotency_key(values: Sequence[str]) -> str | None:
    """Return the key of the `Idempotency-Key` headers, without the quotes that it may have."""
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise FunctionFailed(
            FunctionErrorCode.IDEMPOTENCY_KEY_INVALID,
            "an Idempotency-Key is 1 to 255 visible ASCII characters, in one header; use a UUID",
        )
    key = values[0]
    # The draft requires a quoted string; most callers send a bare one.
    return key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key  # noqa: PLR2004 - quotes


def _success(answer: FunctionAnswer) -> web.Response:
    headers = {INVOCATION: answer.invocation_id}
    if answer.replayed:
        headers[REPLAYED] = "true"
    return web.Response(body=answer.body, content_type="application/json", headers=headers)


def _failure(failure: FunctionFailed, call: FunctionInvocation) -> web.Response:
    response = error_response(failure)
    response.headers[INVOCATION] = failure.replay_of or call.invocation_id
    if failure.replay_of:
        response.headers[REPLAYED] = "true"
    return response
