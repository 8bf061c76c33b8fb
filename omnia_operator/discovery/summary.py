"""Summarises the results of a registry's handlers for its status."""

from collections.abc import Container, Iterable, Iterator

import msgspec

from omnia_core.connection_failures import shown_address
from omnia_core.jsonvalue import JsonObject
from omnia_core.tool_names import offered_names
from omnia_operator.api.toolregistry import DiscoveredTool, RegistryPhase, ToolStatus
from omnia_operator.discovery.port import FoundTool, HandlerTools

# A resource has 1.5 MiB at most, and its spec needs part of it.
_MAX_TOOLS = 500
_MAX_SCHEMA_BYTES = 512 * 1024
_MAX_DESCRIPTION = 512


def phase(answers: Iterable[HandlerTools]) -> RegistryPhase:
    """Return whether all, some or none of the handlers can be used.

    Handlers that only the agent's pod can ask count as usable.
    """
    unavailable = [answer.status is ToolStatus.UNAVAILABLE for answer in answers]
    if not any(unavailable):
        return RegistryPhase.READY
    return RegistryPhase.FAILED if all(unavailable) else RegistryPhase.DEGRADED


def discovered_tools(
    answers: Iterable[HandlerTools],
    previous: Iterable[DiscoveredTool],
    asked: Container[str],
    now: str,
) -> tuple[DiscoveredTool, ...]:
    """Return the tools for the status, by the names that the model sees.

    Only tools of handlers that were `asked` get a new time, so that the status does not change
    without an event.

    An unavailable server keeps its last known tools; without any, it is listed with the name of its
    handler. A schema that would make the status too large is left out.
    """
    known: dict[str, list[DiscoveredTool]] = {}
    times: dict[tuple[str, str], str | None] = {}
    for tool in previous:
        if tool.handler_name not in asked:
            times[tool.handler_name, tool.name] = tool.last_checked
        if tool.name != tool.handler_name or tool.input_schema is not None:
            known.setdefault(tool.handler_name, []).append(tool)
    found = [
        (answer, tool)
        for answer in answers
        for tool in _found(answer, known.get(answer.handler, []))
    ]
    names = iter(
        offered_names([(answer.handler, tool.name) for answer, tool in found if tool.name])
    )
    shown = []
    for answer, found_tool in found:
        name = next(names) if found_tool.name else answer.handler
        checked = times.get((answer.handler, name)) or now
        shown.append(_tool(answer, found_tool, name, checked))
    return tuple(_bounded(shown[:_MAX_TOOLS]))


def _found(answer: HandlerTools, known: Iterable[DiscoveredTool]) -> tuple[FoundTool, ...]:
    if answer.tools or answer.status is ToolStatus.AVAILABLE:
        return answer.tools
    kept = tuple(
        FoundTool(tool.name, tool.description, tool.endpoint, tool.input_schema, tool.output_schema)
        for tool in known
    )
    # No tool is known: the nameless one stands for the handler.
    return kept or (FoundTool("", endpoint=answer.endpoint),)


def _tool(answer: HandlerTools, tool: FoundTool, name: str, checked: str) -> DiscoveredTool:
    return DiscoveredTool(
        name=name,
        handler_name=answer.handler,
        description=tool.description[:_MAX_DESCRIPTION],
        endpoint=shown_address(tool.endpoint),
        status=answer.status,
        last_checked=checked,
        error=answer.error,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
    )


def _bounded(tools: Iterable[DiscoveredTool]) -> Iterator[DiscoveredTool]:
    free = _MAX_SCHEMA_BYTES
    for tool in tools:
        size = _size(tool.input_schema) + _size(tool.output_schema)
        if size > free:
            yield tool.model_copy(update={"input_schema": None, "output_schema": None})
        else:
            free -= size
            yield tool


def _size(schema: JsonObject | None) -> int:
    return len(msgspec.json.encode(schema)) if schema else 0
