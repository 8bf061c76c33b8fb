"""The status of a PromptPack."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from omnia_operator.api.promptpack import PackPhase, PromptPack, PromptPackStatus
from omnia_operator.resolve import (
    Found,
    Lineup,
    Problem,
    named_packs,
    read_pack,
    source_text,
    usable,
)
from omnia_operator.resolve.versions import precedence, same
from omnia_operator.status.canary import progress
from omnia_operator.status.conditions import Verdict, dated, false, true
from omnia_operator.status.pack_content import remarks

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
    remarks: str = ""
    """What can be said about content that is valid."""
    digest: str = ""
    """What tells one content from another."""
    lineup: Lineup | None = None
    """The versions of the same pack that can be used; None without any."""
    first: bool = False
    """Whether there is no older version."""
    agents: tuple[str, ...] = field(default=())
    """Names of the agents that use it."""


def pack_facts(generation: int, pack: PromptPack, found: Found) -> PackFacts:
    """Gather what is known of a PromptPack and of the other versions of its pack."""
    versions = named_packs(pack.metadata.namespace, pack.pack_name, found.packs.values())
    lineup, text, content = usable(versions, found), source_text(pack, found), None
    if not isinstance(text, Problem):
        content = read_pack(pack, found)
    own = precedence(pack.spec.version)
    return PackFacts(
        generation,
        pack,
        source=text if isinstance(text, Problem) else None,
        content=content if isinstance(content, Problem) else None,
        remarks="" if isinstance(text, Problem) else remarks(text),
        lineup=None if isinstance(lineup, Problem) else lineup,
        first=all(precedence(each.spec.version) >= own for each in versions),
    )


def pack_status(facts: PackFacts, previous: PromptPackStatus, now: str) -> PromptPackStatus:
    """Summarise what is known of a PromptPack."""
    conditions = dated(_verdicts(facts), previous.conditions, facts.generation, now)
    phase, lineup = _phase(facts), facts.lineup
    shown = phase in (PackPhase.ACTIVE, PackPhase.CANARY)
    candidate = lineup.candidate if lineup and shown else None
    return PromptPackStatus(
        observed_generation=facts.generation,
        phase=phase,
        active_version=lineup.stable.version if lineup else None,
        canary_version=candidate.version if candidate else None,
        canary_weight=lineup.weight if lineup and candidate else None,
        canary=progress(facts.pack, phase, now, first=facts.first)
        if facts.pack
        else previous.canary,
        last_updated=now
        if _source(conditions) != _source(previous.conditions)
        else (previous.last_updated),
        conditions=conditions,
    )


def _phase(facts: PackFacts) -> PackPhase:
    lineup = facts.lineup
    if facts.pack is None or facts.source or facts.content or lineup is None:
        return PackPhase.FAILED
    version = facts.pack.spec.version
    if same(lineup.stable.version, version):
        return PackPhase.ACTIVE
    if lineup.candidate and same(lineup.candidate.version, version):
        return PackPhase.CANARY
    return PackPhase.SUPERSEDED


def _verdicts(facts: PackFacts) -> Iterator[Verdict]:
    if facts.source is not None:
        yield false("SourceValid", "SourceValidationFailed", facts.source.message)
        yield false("SchemaValid", "SourceInvalid", "there is no content to check")
    else:
        yield true("SourceValid", "SourceValid", f"the content has the hash {facts.digest}")
        if facts.content is not None:
            yield false("SchemaValid", "SchemaValidationFailed", facts.content.message)
        else:
            yield true("SchemaValid", "SchemaValid", facts.remarks)
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
