"""The status of a ToolRegistry."""

from omnia_operator.api.toolhandler import HandlerType, ToolHandler
from omnia_operator.api.toolregistry import (
    DiscoveredTool,
    RegistryPhase,
    ToolRegistry,
    ToolRegistryStatus,
    ToolStatus,
)
from omnia_operator.status.conditions import Verdict, dated, false, true, unknown

_SELF_DESCRIBING = "its tools are told by the server, which the operator does not ask yet"
_SELECTED = "its Service is found by labels, which the operator does not look for yet"


def registry_status(
    generation: int,
    registry: ToolRegistry | None,
    invalid: str | None,
    previous: ToolRegistryStatus,
    now: str,
) -> ToolRegistryStatus:
    """Summarise what is known of a ToolRegistry.

    `registry` is None when its spec is invalid, and `invalid` says why.
    """
    tools = () if registry is None else tuple(_tool(each) for each in registry.spec.handlers)
    verdicts = _verdicts(tools, invalid)
    conditions = dated(verdicts, previous.conditions, generation, now)
    return ToolRegistryStatus(
        observed_generation=generation,
        phase=_phase(tools, invalid),
        discovered_tools_count=len(tools),
        discovered_tools=tools,
        last_discovery_time=(
            previous.last_discovery_time if tools == previous.discovered_tools else now
        ),
        conditions=conditions,
    )


def _tool(handler: ToolHandler) -> DiscoveredTool:
    tool = handler.tool
    unclear = _unclear(handler)
    return DiscoveredTool(
        # A server that describes itself stands under the name of its handler until it is asked.
        name=handler.name if tool is None else tool.name,
        handler_name=handler.name,
        description="" if tool is None else tool.description,
        endpoint=_endpoint(handler),
        status=ToolStatus.AVAILABLE if unclear is None else ToolStatus.UNKNOWN,
        error=unclear,
        input_schema=None if tool is None else tool.input_schema,
        output_schema=None if tool is None else tool.output_schema,
    )


def _unclear(handler: ToolHandler) -> str | None:
    if handler.selector is not None and handler.address is None:
        return _SELECTED
    return None if handler.type in (HandlerType.HTTP, HandlerType.CLIENT) else _SELF_DESCRIBING


def _endpoint(handler: ToolHandler) -> str:
    if handler.type is HandlerType.CLIENT:
        return "client://browser"
    return handler.address or ""


def _phase(tools: tuple[DiscoveredTool, ...], invalid: str | None) -> RegistryPhase:
    if invalid is not None:
        return RegistryPhase.FAILED
    known = [each.status is ToolStatus.AVAILABLE for each in tools]
    if all(known):
        return RegistryPhase.READY
    return RegistryPhase.DEGRADED if any(known) else RegistryPhase.PENDING


def _verdicts(tools: tuple[DiscoveredTool, ...], invalid: str | None) -> list[Verdict]:
    if invalid is not None:
        return [
            false("HandlersValid", "ValidationFailed", invalid),
            false("ToolsDiscovered", "ValidationFailed", "the handlers are invalid"),
        ]
    unclear = [each for each in tools if each.status is ToolStatus.UNKNOWN]
    if not unclear:
        return [true("HandlersValid", "HandlersValid"), true("ToolsDiscovered", "ToolsDiscovered")]
    message = "; ".join(f"{each.handler_name}: {each.error}" for each in unclear)
    return [
        true("HandlersValid", "HandlersValid"),
        unknown("ToolsDiscovered", "DiscoveryPending", message),
    ]
