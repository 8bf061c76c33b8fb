"""The status of a SessionRetentionPolicy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omnia_operator.api.session import SessionType
from omnia_operator.api.sessionretentionpolicy import (
    RetentionBounds,
    RetentionPhase,
    SessionRetentionPolicyStatus,
)
from omnia_operator.status.conditions import Verdict, dated, false, true

ACTIVE = "Active"
EFFECTIVE = "Effective"

_SHOWN = 10


@dataclass(frozen=True)
class PolicyFacts:
    """What is known of a SessionRetentionPolicy."""

    generation: int
    name: str
    spec: RetentionBounds | str
    """The spec; what is wrong with it when it is invalid."""
    in_force: str = ""
    """Name of the policy that holds in the namespace; "" when none does."""
    agents: tuple[tuple[str, str], ...] = ()
    """Agents of the namespace that have sessions, and where they keep them."""


def policy_status(
    facts: PolicyFacts, previous: SessionRetentionPolicyStatus, now: str
) -> SessionRetentionPolicyStatus:
    """Summarise what is known of a SessionRetentionPolicy."""
    valid = facts.spec if isinstance(facts.spec, RetentionBounds) else previous.last_valid_spec
    holds = facts.in_force == facts.name
    return SessionRetentionPolicyStatus(
        observed_generation=facts.generation,
        phase=_phase(facts),
        agents=len(facts.agents) if holds else 0,
        last_valid_spec=valid,
        conditions=dated(_verdicts(facts, valid), previous.conditions, facts.generation, now),
    )


def _phase(facts: PolicyFacts) -> RetentionPhase:
    if isinstance(facts.spec, str):
        return RetentionPhase.FAILED
    if facts.in_force != facts.name:
        return RetentionPhase.SUPERSEDED
    return RetentionPhase.DRY_RUN if facts.spec.dry_run else RetentionPhase.ACTIVE


def _verdicts(facts: PolicyFacts, valid: RetentionBounds | None) -> Iterator[Verdict]:
    holds = facts.in_force == facts.name
    if isinstance(facts.spec, str):
        yield false(ACTIVE, "InvalidSpec", f"{facts.spec}; {_meanwhile(facts)}")
    elif not holds:
        yield false(ACTIVE, "Superseded", _superseded(facts.in_force))
    elif facts.spec.dry_run:
        yield true(ACTIVE, "DryRun", "nothing ends and nothing is deleted: it is only counted")
    else:
        yield true(ACTIVE, "InForce", "it holds for the agents and functions of this namespace")
    if holds and valid is not None:
        yield effective(valid, facts.agents)


def _superseded(other: str) -> str:
    return (
        f'SessionRetentionPolicy "{other}" is older and in force in this namespace: change that one'
        " and delete this one, or delete that one"
    )


def _meanwhile(facts: PolicyFacts) -> str:
    if facts.in_force == facts.name:
        return "until it is mended, the spec that was last valid stays in force"
    if facts.in_force:
        return f'SessionRetentionPolicy "{facts.in_force}" is in force'
    return "it bounds nothing until it is mended"


def effective(bounds: RetentionBounds, agents: Iterable[tuple[str, str]]) -> Verdict:
    """Say whether every bound has an effect; `agents` are names, and where each keeps sessions."""
    others = [name for name, store in agents if store != SessionType.POSTGRES]
    if bounds.retention_days is None or not others:
        return true(EFFECTIVE, "EveryBound")
    named = ", ".join(others[:_SHOWN])
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return false(
        EFFECTIVE,
        "NothingIsKept",
        f"retentionDays only bounds how long sessions of {named}{more} can be continued: memory and"
        " Redis keep nothing of a session that has ended; set session.type: postgres where its"
        " history shall be kept",
    )
