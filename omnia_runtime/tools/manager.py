"""Routes tool calls: validates, bounds and records them. A call never raises."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
import structlog

from omnia_core.sessions import ToolCall
from omnia_runtime.metrics import Metrics
from omnia_runtime.providers.port import ToolSpec
from omnia_runtime.tools.source import CallContext, ToolFailed, ToolResult, ToolRetry, ToolSource

if TYPE_CHECKING:
    from omnia_core.jsonschema import Schema, Violation

MAX_RESULT_BYTES = 1_000_000
_NOBODY = CallContext()

_log = structlog.get_logger()


class Route(msgspec.Struct):
    """Who executes a tool, and what its arguments must look like."""

    source: ToolSource
    spec: ToolSpec
    _schema: "Schema | None" = None

    def violations(self, arguments: dict[str, Any]) -> "list[Violation]":
        """List what is wrong with arguments.

        Raises:
            ToolFailed: the tool's own schema does not compile.
        """
        if self._schema is None:
            # At the first call: 5 MB that a pod saves whose tools are not called. The operator
            # and `omnia validate` have compiled the schema before.
            from omnia_core.jsonschema import SchemaInvalid, compile_schema  # noqa: PLC0415 - as above

            try:
                self._schema = compile_schema(self.spec.input_schema)
            except SchemaInvalid as error:
                raise ToolFailed(
                    f'the inputSchema of tool "{self.spec.name}" does not compile: {error}'
                ) from error
        return self._schema.violations(arguments)


def route_tools(
    sources: Sequence[ToolSource],
) -> tuple[dict[str, Route], list[str]]:
    """Return the route of each tool, and what is wrong with the tools that have none."""
    routes: dict[str, Route] = {}
    problems: list[str] = []
    for source in sources:
        for spec in source.specs():
            if spec.name in routes:
                first = routes[spec.name].source.name
                problems.append(
                    f'tool "{spec.name}" of handler "{source.name}" is left out: '
                    f'handler "{first}" has it already'
                )
                continue
            routes[spec.name] = Route(source, spec)
    return routes, problems


class ToolManager:
    """The tools of one configuration.

    Only `offered` tools are executed; `routes` may hold more.
    """

    def __init__(
        self, routes: Mapping[str, Route], offered: Collection[str], metrics: Metrics
    ) -> None:
        self._routes = {name: route for name, route in routes.items() if name in offered}
        self._metrics = metrics

    async def call(self, call: ToolCall, context: CallContext = _NOBODY) -> ToolResult:
        """Execute a call; whatever goes wrong is a result for the model."""
        route = self._routes.get(call.name)
        if route is None:
            # the name comes from the model: as a label it could be anything
            self._metrics.tool_called("(unknown)", "refused", 0.0)
            there = ", ".join(self._routes) or "none"
            return _error(f'there is no tool "{call.name}"; the tools are: {there}')
        began = time.monotonic()
        result, status = await _execute(route, call, context)
        self._metrics.tool_called(call.name, status, time.monotonic() - began)
        if result.is_error:
            _log.warning("tool call failed", tool=call.name, status=status)
        return result


async def _execute(route: Route, call: ToolCall, context: CallContext) -> tuple[ToolResult, str]:
    timeout = route.source.timeout
    try:
        arguments = _arguments(route, call)
        async with asyncio.timeout(timeout):
            result = await route.source.call(call.name, arguments, context)
    except ToolRetry as error:
        return _error(str(error)), "invalid"
    except ToolFailed as error:
        return _error(str(error)), "error"
    except TimeoutError:
        return _error(f'handler "{route.source.name}" did not answer in {timeout:g} s'), "timeout"
    except Exception:  # noqa: BLE001 - one broken adapter must not end a turn
        _log.exception("tool adapter failed", tool=call.name, handler=route.source.name)
        return _error(f'handler "{route.source.name}" failed'), "error"
    return msgspec.structs.replace(result, content=bounded(result.content)), "success"


def _arguments(route: Route, call: ToolCall) -> dict[str, Any]:
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError as error:
        raise ToolRetry(f"the arguments are not JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise ToolRetry("the arguments must be a JSON object")
    if violations := route.violations(arguments):
        raise ToolRetry("the arguments do not fit the tool: " + "; ".join(map(str, violations)))
    return arguments


def bounded(text: str) -> str:
    """Cut a result that is too long for a model, and say so in it."""
    raw = text.encode()
    if len(raw) <= MAX_RESULT_BYTES:
        return text
    kept = raw[:MAX_RESULT_BYTES].decode(errors="ignore")
    return f"{kept}\n... [cut: {len(raw)} bytes, the limit is {MAX_RESULT_BYTES}]"


def _error(message: str) -> ToolResult:
    return ToolResult(orjson.dumps({"error": message}).decode(), is_error=True)
