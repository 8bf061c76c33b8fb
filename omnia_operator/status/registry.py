"""The status of a ToolRegistry."""

from collections.abc import Iterator

from omnia_operator.api.toolhandler import HandlerType
from omnia_operator.api.toolregistry import (
    RegistryPhase,
    ToolRegistry,
    ToolRegistryStatus,
    ToolStatus,
)
from omnia_operator.discovery import HandlerTools, Seen, discovered_tools, phase
from omnia_operator.status.conditions import Verdict, dated, false, true, unknown


def registry_status(
    generation: int,
    registry: ToolRegistry | None,
    found: Seen | str,
    previous: ToolRegistryStatus,
    now: str,
) -> ToolRegistryStatus:
    """Summarise what the servers of a ToolRegistry said.

    `registry` is None when its spec is invalid, and `found` says why.
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
    verdicts = [true("HandlersValid", "HandlersValid"), _discovered(found.answers)]
    return ToolRegistryStatus(
        observed_generation=generation,
        phase=phase(found.answers),
        discovered_tools_count=len(tools),
        discovered_tools=tools,
        last_discovery_time=now if changed else previous.last_discovery_time,
        conditions=dated(verdicts, previous.conditions, generation, now),
    )


def _servers(registry: ToolRegistry) -> Iterator[str]:
    """Yield the handlers that have somebody to ask.

    About the others there is no news, and no new time: a write for each of them in each minute
    would tell nothing.
    """
    probed = registry.spec.probe is not None and registry.spec.probe.enabled
    for each in registry.spec.handlers:
        if each.type is not HandlerType.CLIENT and (each.type is not HandlerType.HTTP or probed):
            yield each.name


def _invalid(reason: str) -> list[Verdict]:
    return [
        false("HandlersValid", "ValidationFailed", reason),
        false("ToolsDiscovered", "ValidationFailed", "the handlers are invalid"),
    ]


def _discovered(answers: tuple[HandlerTools, ...]) -> Verdict:
    if away := _errors(answers, ToolStatus.UNAVAILABLE):
        return false("ToolsDiscovered", "ServerUnavailable", "; ".join(away))
    unclear = _errors(answers, ToolStatus.UNKNOWN)
    if len(unclear) == len(answers):
        return unknown("ToolsDiscovered", "KnownToAgentsOnly", "; ".join(unclear))
    remarks = [f"{each.handler}: {remark}" for each in answers for remark in each.remarks]
    if unclear or remarks:
        return true("ToolsDiscovered", "PartlyDiscovered", "; ".join((*unclear, *remarks)))
    return true("ToolsDiscovered", "ToolsDiscovered")


def _errors(answers: tuple[HandlerTools, ...], status: ToolStatus) -> list[str]:
    return [each.error or each.handler for each in answers if each.status is status]
