"""Tool calls: routed, validated, limited and recorded. A call never raises."""

import time
from collections.abc import Collection, Mapping, Sequence

import msgspec
import structlog

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.env.runtime import TOOL_RESULT_CHARACTERS
from omnia_core.jsonvalue import JsonObject, TooDeep, check_depth
from omnia_core.sessions.audit import ToolStatus
from omnia_runtime.observe.audit import record_refused_call, record_tool_call
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, ToolFailed, ToolRetry
from omnia_runtime.tools.client.handler import offered_by_client
from omnia_runtime.tools.coercion import coerce
from omnia_runtime.tools.guarded import ToolTimeout
from omnia_runtime.tools.routes import ToolRoute
from omnia_runtime.tools.traced import note_result, tool_span

# Of the result that the client sees.
MAX_RESULT_BYTES = 1_000_000
# Violations quote the arguments, which may have any length.
_MAX_ERROR = 4000
# Of the reason in a line of the log.
_MAX_LOGGED = 300
_NO_CONTEXT = CallContext()

_log = structlog.get_logger()


class ToolManager:
    """The tools of one configuration.

    Only `offered` tools are executed; `routes` may contain more.
    """

    def __init__(
        self,
        routes: Mapping[str, ToolRoute],
        offered: Collection[str],
        metrics: RuntimeMetrics,
        max_result: int = TOOL_RESULT_CHARACTERS,
    ) -> None:
        """Offer tools; the model gets at most `max_result` characters of a result."""
        self._max_result = max_result
        self._routes = {name: route for name, route in routes.items() if name in offered}
        self._metrics = metrics

    def with_client_tools(self, tools: Sequence[ToolSpec]) -> "ToolManager":
        """Return a manager that also executes tools which the client of one turn offers."""
        routes = {
            **self._routes,
            **{tool.name: ToolRoute(offered_by_client(tool), tool, tool.name) for tool in tools},
        }
        return ToolManager(routes, routes, self._metrics, self._max_result)

    def handler_of(self, tool: str) -> str:
        """Return the name of the handler that executes a tool; "" if none does."""
        route = self._routes.get(tool)
        return route.source.name if route else ""

    async def call(self, call: ToolCall, context: CallContext = _NO_CONTEXT) -> ToolResult:
        """Execute a call; every failure is a result for the model."""
        route = self._routes.get(call.name)
        if route is None:
            # The name comes from the model, so it must not become a label.
            self._metrics.tool_called("", "(unknown)", "refused", 0.0)
            record_refused_call(call)
            there = ", ".join(self._routes) or "none"
            return _error(f'there is no tool "{call.name}"; the tools are: {there}')
        began = time.monotonic()
        status: ToolStatus = "cancelled"
        try:
            with tool_span(call, route.source.name) as span:
                result, status = await _execute(route, call, context, self._max_result)
                note_result(span, result, status)
        finally:
            took = time.monotonic() - began
            record_tool_call(call, route.source.name, status, took)
        self._metrics.tool_called(route.source.name, call.name, status, took)
        if result.is_error:
            reason = result.content[:_MAX_LOGGED]
            _log.warning("tool call failed", tool=call.name, status=status, reason=reason)
        return result


async def _execute(
    route: ToolRoute, call: ToolCall, context: CallContext, max_result: int
) -> tuple[ToolResult, ToolStatus]:
    try:
        arguments = _arguments(route, call)
        result = await route.source.call(route.tool, arguments, context)
    except ToolRetry as error:
        return _error(str(error)), "invalid"
    except ToolTimeout as error:
        return _error(str(error)), "timeout"
    except ToolFailed as error:
        return _error(str(error)), "error"
    except Exception:  # noqa: BLE001 - one broken adapter must not end a turn
        _log.exception("tool adapter failed", tool=call.name, handler=route.source.name)
        return _error(f'handler "{route.source.name}" failed'), "error"
    if result.content.lstrip()[:1] in ("{", "["):
        try:
            check_depth(result.content)
        except TooDeep as error:
            return _error(f'the answer of handler "{route.source.name}" is {error}'), "error"
    status: ToolStatus = "error" if result.is_error else "success"
    content = result.content
    short = None if len(content) <= max_result else shortened(content, max_result)
    return msgspec.structs.replace(result, content=bounded(content), shortened=short), status


def _arguments(route: ToolRoute, call: ToolCall) -> JsonObject:
    try:
        check_depth(call.arguments)
        arguments = msgspec.json.decode(call.arguments or "{}")
    except TooDeep as error:
        raise ToolRetry(f"the arguments are {error}") from error
    except ValueError as error:
        raise ToolRetry(f"the arguments are not JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise ToolRetry("the arguments must be a JSON object")
    if not route.violations(arguments):
        return arguments
    arguments = coerce(route.spec.input_schema, arguments)
    if violations := route.violations(arguments):
        raise ToolRetry("the arguments do not fit the tool: " + "; ".join(map(str, violations)))
    return arguments


def shortened(text: str, limit: int) -> str:
    """Cut a result that is too long for a model, and tell the model so at its end."""
    return (
        f"{text[:limit]}\n[The result was cut after {limit} of {len(text)} characters. If the tool "
        "can return less, or the rest alone, call it again so.]"
    )


def bounded(text: str) -> str:
    """Cut a result that is too long for a client, with a note at its end."""
    raw = text.encode()
    if len(raw) <= MAX_RESULT_BYTES:
        return text
    kept = raw[:MAX_RESULT_BYTES].decode(errors="ignore")
    return f"{kept}\n... [cut: {len(raw)} bytes, the limit is {MAX_RESULT_BYTES}]"


def _error(message: str) -> ToolResult:
    shown = message if len(message) <= _MAX_ERROR else f"{message[:_MAX_ERROR]}..."
    return ToolResult(msgspec.json.encode({"error": shown}).decode(), is_error=True)
