"""Tools whose results are recorded in a cassette, or come from it."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from msgspec import structs

from omnia_core.conversation.tools import ToolFailed, ToolResult
from omnia_core.files.cassette import RecordedResult, RecordedTool
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.cassettes.cassette import Cassette
from omnia_runtime.cassettes.conversation import CONVERSATION
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, ToolRetry
from omnia_runtime.tools.routes import ToolRoute

Routes: TypeAlias = Mapping[str, ToolRoute]
Answer: TypeAlias = Callable[[ToolRoute, JsonObject, CallContext], Awaitable[ToolResult]]


class AnsweredTool:
    """The source of one tool whose calls a function answers, for example from a recording."""

    timeout = 0.0

    def __init__(self, name: str, route: ToolRoute, answer: Answer) -> None:
        self.name = name
        self._route = route
        self._answer = answer

    def specs(self) -> list[ToolSpec]:
        return [self._route.spec]

    async def call(self, _tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        return await self._answer(self._route, arguments, context)


def answered(routes: Routes, answer: Answer) -> dict[str, ToolRoute]:
    """Return the routes with a source that asks `answer`; it gets the route that was there."""
    return {
        name: ToolRoute(AnsweredTool(route.source.name, route, answer), route.spec, route.tool)
        for name, route in routes.items()
    }


def recording(cassette: Cassette, *, first_look: bool = False) -> Callable[[Routes], Routes]:
    """Return what records the calls of tools; with `first_look`, those that are not yet."""

    async def call(route: ToolRoute, arguments: JsonObject, context: CallContext) -> ToolResult:
        name = route.spec.name
        if first_look and (known := cassette.result(name, arguments)) is not None:
            return _played(known)
        began, made = time.monotonic(), None
        try:
            result = await route.source.call(route.tool, arguments, context)
            made = RecordedResult(name, arguments, result.content, result.is_error, result.parts)
        except (ToolFailed, ToolRetry) as error:
            retry = isinstance(error, ToolRetry)
            made = RecordedResult(name, arguments, failure=str(error) or "failed", retry=retry)
            raise
        finally:
            if made is not None:
                _keep(cassette, made, time.monotonic() - began)
        return result

    def record(routes: Routes) -> Routes:
        for name, route in routes.items():
            spec = route.spec
            offered = RecordedTool(
                route.source.name, name, spec.description, spec.input_schema, spec.on_client
            )
            if cassette.tools.get(name) != offered:
                cassette.record(offered)
        return answered(routes, call)

    return record


def _keep(cassette: Cassette, made: RecordedResult, seconds: float) -> None:
    conversation, took = CONVERSATION.get(), round(seconds * 1000, 3)
    if conversation:
        conversation.milliseconds += took
    name = conversation.name if conversation else ""
    cassette.record(structs.replace(made, conversation=name, milliseconds=took))


def replaying(cassette: Cassette) -> Callable[[Routes], Routes]:
    """Return what puts the recorded tools in the place of all others: no server is asked."""

    async def call(route: ToolRoute, arguments: JsonObject, _context: CallContext) -> ToolResult:
        name = route.spec.name
        known = cassette.result(name, arguments)
        if known is None:
            raise ToolFailed(cassette.missing_result(name, arguments))
        return _played(known)

    def replay(_routes: Routes) -> Routes:
        return {name: _route(each, call) for name, each in cassette.tools.items()}

    return replay


def _route(tool: RecordedTool, answer: Answer) -> ToolRoute:
    spec = ToolSpec(tool.name, tool.description, tool.input_schema, tool.on_client)
    route = ToolRoute(_Absent(tool.handler), spec, tool.name)
    return ToolRoute(AnsweredTool(tool.handler, route, answer), spec, tool.name)


class _Absent:
    """The source of a recorded tool, which is not there."""

    timeout = 0.0

    def __init__(self, name: str) -> None:
        self.name = name

    def specs(self) -> list[ToolSpec]:
        return []

    async def call(self, tool: str, _arguments: JsonObject, _context: CallContext) -> ToolResult:
        raise ToolFailed(f"{tool} is not recorded")


def _played(known: RecordedResult) -> ToolResult:
    if conversation := CONVERSATION.get():
        conversation.milliseconds += known.milliseconds
    if known.failure:
        raise ToolRetry(known.failure) if known.retry else ToolFailed(known.failure)
    return ToolResult(known.content, known.is_error, known.parts)
