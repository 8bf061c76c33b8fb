"""The status of a PromptPack, the progress of its canary included."""

from collections.abc import Iterator
from dataclasses import dataclass

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import parse
from omnia_core.suggestions import listed
from omnia_operator.api.meta import Condition
from omnia_operator.api.promptpack import CanaryProgress, PackPhase, PromptPack, PromptPackStatus
from omnia_operator.resolve import (
    Found,
    Lineup,
    Problem,
    named_packs,
    read_pack,
    source_text,
    usable,
)
from omnia_operator.resolve.canary import ALL, canary_of, progress_of, weight_at
from omnia_operator.resolve.lineup import precedence, same_version
from omnia_operator.resolve.verdicts import by_digest
from omnia_operator.status.conditions import (
    Announcement,
    ConditionUpdate,
    dated,
    false,
    true,
)

_SHOWN_ISSUES = 3


@dataclass(frozen=True)
class PackFacts:
    """What is known about a PromptPack."""

    generation: int
    pack: PromptPack | None
    """None when its spec is invalid."""
    source: Problem | None = None
    """Why the content cannot be read."""
    content: Problem | None = None
    """What is wrong with the content."""
    remarks: str = ""
    """Remarks about valid content."""
    digest: str = ""
    """Hash of the content."""
    lineup: Lineup | None = None
    """The usable versions of the same pack; None without any."""
    first: bool = False
    """Whether there is no older version."""
    agents: tuple[str, ...] = ()
    """Names of the agents that use it."""


def pack_facts(generation: int, pack: PromptPack, found: Found) -> PackFacts:
    """Collect the facts about a PromptPack and the other versions of its pack."""
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
        first=all(precedence(version.spec.version) >= own for version in versions),
    )


def remarks(text: str) -> str:
    """Return which PromptPack format the content needs, and its issues; "" if it is unreadable."""
    return _remarks(text, "the PromptPack")


@by_digest
def _remarks(text: str, subject: str) -> str:
    try:
        outcome = parse.read_pack(text, subject)
    except ConfigurationError:
        return ""
    needed = (
        f"PromptPack format {outcome.format} or later"
        if outcome.format
        else "with keys that only Omnia knows"
    )
    shown = [str(issue) for issue in outcome.issues[:_SHOWN_ISSUES]]
    if more := len(outcome.issues) - len(shown):
        shown.append(f"{more} more: run omnia validate to list them")
    return "; ".join([needed, *shown])


def pack_status(facts: PackFacts, previous: PromptPackStatus, now: str) -> PromptPackStatus:
    """Return the status of a PromptPack."""
    conditions = dated(_conditions(facts), previous.conditions, facts.generation, now)
    phase, lineup = _phase(facts), facts.lineup
    shown = phase in (PackPhase.ACTIVE, PackPhase.CANARY)
    candidate = lineup.candidate if lineup and shown else None
    unchanged = _source(conditions) == _source(previous.conditions)
    return PromptPackStatus(
        observed_generation=facts.generation,
        phase=phase,
        active_version=lineup.stable.version if lineup else None,
        canary_version=candidate.version if candidate else None,
        canary_weight=lineup.weight if lineup and candidate else None,
        canary=progress(facts.pack, phase, now, first=facts.first)
        if facts.pack
        else previous.canary,
        last_updated=previous.last_updated if unchanged else now,
        conditions=conditions,
    )


def progress(pack: PromptPack, phase: PackPhase, now: str, *, first: bool) -> CanaryProgress | None:
    """Return when the canary of a version started and completed; None while it does not run.

    A canary that was stopped starts again from the first step: no session has proved a version
    that failed or was superseded.

    Args:
        pack: the version.
        phase: its phase now.
        now: the time.
        first: whether there is no older version to take over from.
    """
    canary, known = canary_of(pack), progress_of(pack)
    if canary is None or (known and known.completion_time):
        return known if canary else None
    if phase not in (PackPhase.CANARY, PackPhase.ACTIVE):
        return None
    running = known or CanaryProgress(version=pack.spec.version, start_time=now)
    complete = first or weight_at(canary, running.start_time, now) == ALL
    if phase is PackPhase.CANARY or not complete:
        return running
    return running.model_copy(update={"completion_time": now})


def news(
    pack: PromptPack, before: PromptPackStatus, after: PromptPackStatus
) -> Iterator[Announcement]:
    """Yield the steps of a canary from one status to the next."""
    version = pack.spec.version
    if after.phase is PackPhase.CANARY:
        part = f"{after.canary_weight} % of new sessions"
        if before.phase is not PackPhase.CANARY or before.canary_version != version:
            others = f"version {after.active_version} gets the others"
            yield Announcement(False, "CanaryStarted", f"version {version} gets {part}, {others}")
        elif before.canary_weight != after.canary_weight:
            yield Announcement(False, "CanaryStepped", f"version {version} gets {part}")
    elif before.phase is PackPhase.CANARY and after.phase is PackPhase.ACTIVE:
        yield Announcement(False, "CanaryPromoted", f"all new sessions get version {version}")
    elif before.phase is PackPhase.CANARY:
        yield Announcement(True, "CanaryStopped", f"new sessions no longer get version {version}")
    elif (
        (before.phase, after.phase) == (PackPhase.ACTIVE, PackPhase.ACTIVE)
        and before.canary_version is not None
        and after.canary_version is None
    ):
        message = (
            f"version {before.canary_version} was withdrawn: all new sessions get version {version}"
        )
        yield Announcement(False, "CanaryWithdrawn", message)


def _phase(facts: PackFacts) -> PackPhase:
    lineup = facts.lineup
    if facts.pack is None or facts.source or facts.content or lineup is None:
        return PackPhase.FAILED
    version = facts.pack.spec.version
    if same_version(lineup.stable.version, version):
        return PackPhase.ACTIVE
    if lineup.candidate and same_version(lineup.candidate.version, version):
        return PackPhase.CANARY
    return PackPhase.SUPERSEDED


def _conditions(facts: PackFacts) -> Iterator[ConditionUpdate]:
    if facts.source is not None:
        yield false("SourceValid", "SourceValidationFailed", facts.source.message)
        yield false("SchemaValid", "SourceInvalid", "there is no content to check")
    else:
        yield true("SourceValid", "SourceValid", f"the content has the hash {facts.digest}")
        if facts.content is not None:
            yield false("SchemaValid", "SchemaValidationFailed", facts.content.message)
        else:
            yield true("SchemaValid", "SchemaValid", facts.remarks)
    if facts.agents:
        yield true("AgentsNotified", "AgentsNotified", f"used by {listed(facts.agents)}")
    else:
        yield true("AgentsNotified", "NoAgentsToNotify", "no agent uses this version")


def _source(conditions: tuple[Condition, ...]) -> list[str]:
    return [condition.message for condition in conditions if condition.type == "SourceValid"]
