"""What the answers of a registry's handlers come to."""

from collections.abc import Container, Iterable, Iterator

import msgspec

from omnia_core.connection_failures import shown_address
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.toolregistry import DiscoveredTool, RegistryPhase, ToolStatus
from omnia_operator.discovery.port import FoundTool, HandlerTools

# A resource in the API server has 1.5 MiB at most, and its spec needs some of it.
_MOST_TOOLS = 500
_SCHEMA_BYTES = 512 * 1024
_LONGEST_DESCRIPTION = 512


def phase(answers: Iterable[HandlerTools]) -> RegistryPhase:
    """Say how many handlers can be used: all, some, or none.

    One that only the agent's pod can ask is not held against the registry.
    """
    away = [each.status is ToolStatus.UNAVAILABLE for each in answers]
    if not any(away):
        return RegistryPhase.READY
    return RegistryPhase.FAILED if all(away) else RegistryPhase.DEGRADED


def discovered_tools(
    answers: Iterable[HandlerTools],
    previous: Iterable[DiscoveredTool],
    asked: Container[str],
    now: str,
) -> tuple[DiscoveredTool, ...]:
    """Return the tools for the status.

    Only the tools of the handlers that were `asked` get a new time, so that a status that nothing
    happened to stays as it is.

    A server that is away keeps the tools that it had. One whose tools were never known stands under
    the name of its handler. A schema that would make the status too large is left out.
    """
    known: dict[str, list[DiscoveredTool]] = {}
    times: dict[tuple[str, str], str | None] = {}
    for tool in previous:
        if tool.handler_name not in asked:
            times[tool.handler_name, tool.name] = tool.last_checked
        if tool.name != tool.handler_name or tool.input_schema is not None:
            known.setdefault(tool.handler_name, []).append(tool)
    tools = [
        _tool(answer, tool, times.get((answer.handler, tool.name)) or now)
        for answer in answers
        for tool in _found(answer, known.get(answer.handler, []))
    ]
    return tuple(_bounded(tools[:_MOST_TOOLS]))


def _found(answer: HandlerTools, known: Iterable[DiscoveredTool]) -> tuple[FoundTool, ...]:
    if answer.tools or answer.status is ToolStatus.AVAILABLE:
        return answer.tools
    kept = tuple(
        FoundTool(each.name, each.description, each.endpoint, each.input_schema, each.output_schema)
        for each in known
    )
    return kept or (FoundTool(answer.handler, endpoint=answer.endpoint),)


def _tool(answer: HandlerTools, tool: FoundTool, checked: str) -> DiscoveredTool:
    return DiscoveredTool(
        name=tool.name,
        handler_name=answer.handler,
        description=tool.description[:_LONGEST_DESCRIPTION],
        endpoint=shown_address(tool.endpoint),
        status=answer.status,
        last_checked=checked,
        error=answer.error,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
    )


def _bounded(tools: Iterable[DiscoveredTool]) -> Iterator[DiscoveredTool]:
    room = _SCHEMA_BYTES
    for tool in tools:
        size = _size(tool.input_schema) + _size(tool.output_schema)
        if size > room:
            yield tool.model_copy(update={"input_schema": None, "output_schema": None})
        else:
            room -= size
            yield tool


def _size(schema: JsonObject | None) -> int:
    return len(msgspec.json.encode(schema)) if schema else 0
