"""The status of a PromptPack."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from omnia_operator.api.promptpack import PackPhase, PromptPack, PromptPackStatus
from omnia_operator.resolve import Problem
from omnia_operator.status.conditions import Verdict, dated, false, true

_SHOWN = 10


@dataclass(frozen=True)
class PackFacts:
    """What is known of a PromptPack."""

    generation: int
    pack: PromptPack | None
    """None when its spec is invalid."""
    source: Problem | None = None
    """Why the content cannot be read."""
    content: Problem | None = None
    """What is wrong with the content."""
    digest: str = ""
    """What tells one content from another."""
    highest: str | None = None
    """The highest valid version of the same pack."""
    agents: tuple[str, ...] = field(default=())
    """Names of the agents that use it."""


def pack_status(facts: PackFacts, previous: PromptPackStatus, now: str) -> PromptPackStatus:
    """Summarise what is known of a PromptPack."""
    conditions = dated(_verdicts(facts), previous.conditions, facts.generation, now)
    return PromptPackStatus(
        observed_generation=facts.generation,
        phase=_phase(facts),
        active_version=facts.highest,
        last_updated=now
        if _source(conditions) != _source(previous.conditions)
        else (previous.last_updated),
        conditions=conditions,
    )


def _phase(facts: PackFacts) -> PackPhase:
    if facts.pack is None or facts.source or facts.content:
        return PackPhase.FAILED
    if facts.highest not in (None, facts.pack.spec.version):
        return PackPhase.SUPERSEDED
    return PackPhase.ACTIVE


def _verdicts(facts: PackFacts) -> Iterator[Verdict]:
    if facts.source is not None:
        yield false("SourceValid", "SourceValidationFailed", facts.source.message)
        yield false("SchemaValid", "SourceInvalid", "there is no content to check")
    else:
        yield true("SourceValid", "SourceValid", f"the content has the hash {facts.digest}")
        if facts.content is not None:
            yield false("SchemaValid", "SchemaValidationFailed", facts.content.message)
        else:
            yield true("SchemaValid", "SchemaValid")
    yield _notified(facts)


def _notified(facts: PackFacts) -> Verdict:
    if not facts.agents:
        return true("AgentsNotified", "NoAgentsToNotify", "no agent uses this version")
    named = ", ".join(facts.agents[:_SHOWN])
    more = f" and {len(facts.agents) - _SHOWN} more" if len(facts.agents) > _SHOWN else ""
    return true("AgentsNotified", "AgentsNotified", f"used by {named}{more}")


def _source(conditions: tuple[object, ...]) -> list[str]:
    return [
        getattr(each, "message", "")
        for each in conditions
        if getattr(each, "type", "") == "SourceValid"
    ]
