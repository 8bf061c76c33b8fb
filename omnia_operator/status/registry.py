"""The status of a ToolRegistry."""

from collections.abc import Iterator

from omnia_operator.api.toolhandler import HandlerType
from omnia_operator.api.toolregistry import (
    RegistryPhase,
    ToolRegistry,
    ToolRegistryStatus,
    ToolStatus,
)
from omnia_operator.discovery import DiscoveryResult, HandlerTools, discovered_tools, phase
from omnia_operator.status.conditions import ConditionUpdate, dated, false, true, unknown


def registry_status(
    generation: int,
    registry: ToolRegistry | None,
    found: DiscoveryResult | str,
    previous: ToolRegistryStatus,
    now: str,
) -> ToolRegistryStatus:
    """Return the status of a ToolRegistry.

    `found` is the result of discovery. For an invalid spec it is the reason, and `registry` is
    None.
    """
    if registry is None or isinstance(found, str):
        return ToolRegistryStatus(
            observed_generation=generation,
            phase=RegistryPhase.FAILED,
            discovered_tools_count=0,
            last_discovery_time=previous.last_discovery_time,
            conditions=dated(_invalid(str(found)), previous.conditions, generation, now),
        )
    asked = found.asked & frozenset(_servers(registry))
    tools = discovered_tools(found.answers, previous.discovered_tools, asked, now)
    changed = bool(asked) or tools != previous.discovered_tools
    updates = [true("HandlersValid", "HandlersValid"), _discovered(found.answers)]
    return ToolRegistryStatus(
        observed_generation=generation,
        phase=phase(found.answers),
        discovered_tools_count=len(tools),
        discovered_tools=tools,
        last_discovery_time=now if changed else previous.last_discovery_time,
        conditions=dated(updates, previous.conditions, generation, now),
    )


def _servers(registry: ToolRegistry) -> Iterator[str]:
    """Yield the handlers with a server that is asked.

    The tools of the others keep their time: a write every minute would have no information.
    """
    probed = registry.spec.probe is not None and registry.spec.probe.enabled
    for handler in registry.spec.handlers:
        if handler.type is HandlerType.CLIENT or (handler.type is HandlerType.HTTP and not probed):
            continue
        yield handler.name


def _invalid(reason: str) -> list[ConditionUpdate]:
    return [
        false("HandlersValid", "ValidationFailed", reason),
        false("ToolsDiscovered", "ValidationFailed", "the handlers are invalid"),
    ]


def _discovered(answers: tuple[HandlerTools, ...]) -> ConditionUpdate:
    if unavailable := _errors(answers, ToolStatus.UNAVAILABLE):
        return false("ToolsDiscovered", "ServerUnavailable", "; ".join(unavailable))
    unclear = _errors(answers, ToolStatus.UNKNOWN)
    if len(unclear) == len(answers):
        return unknown("ToolsDiscovered", "KnownToAgentsOnly", "; ".join(unclear))
    remarks = [f"{answer.handler}: {remark}" for answer in answers for remark in answer.remarks]
    if unclear or remarks:
        return true("ToolsDiscovered", "PartlyDiscovered", "; ".join((*unclear, *remarks)))
    return true("ToolsDiscovered", "ToolsDiscovered")


def _errors(answers: tuple[HandlerTools, ...], status: ToolStatus) -> list[str]:
    return [answer.error or answer.handler for answer in answers if answer.status is status]
