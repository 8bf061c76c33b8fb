"""The status of a SessionRetentionPolicy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omnia_core.env import SessionType
from omnia_core.suggestions import listed
from omnia_operator.api.sessionretentionpolicy import (
    RetentionBounds,
    RetentionPhase,
    SessionRetentionPolicyStatus,
)
from omnia_operator.status.conditions import ConditionUpdate, dated, false, true

_KEEPING = frozenset(store.value for store in SessionType if store.keeps_history)

ACTIVE = "Active"
EFFECTIVE = "Effective"


@dataclass(frozen=True)
class PolicyFacts:
    """What is known about a SessionRetentionPolicy."""

    generation: int
    name: str
    spec: RetentionBounds | str
    """The spec, or why it is invalid."""
    in_force: str = ""
    """Name of the policy in force in the namespace; "" without one."""
    agents: tuple[tuple[str, str], ...] = ()
    """Names of the namespace's agents that have sessions, with the type of their store."""


def policy_status(
    facts: PolicyFacts, previous: SessionRetentionPolicyStatus, now: str
) -> SessionRetentionPolicyStatus:
    """Return the status of a SessionRetentionPolicy."""
    valid = facts.spec if isinstance(facts.spec, RetentionBounds) else previous.last_valid_spec
    holds = facts.in_force == facts.name
    return SessionRetentionPolicyStatus(
        observed_generation=facts.generation,
        phase=_phase(facts),
        agents=len(facts.agents) if holds else 0,
        last_valid_spec=valid,
        conditions=dated(_conditions(facts, valid), previous.conditions, facts.generation, now),
    )


def _phase(facts: PolicyFacts) -> RetentionPhase:
    if isinstance(facts.spec, str):
        return RetentionPhase.FAILED
    if facts.in_force != facts.name:
        return RetentionPhase.SUPERSEDED
    return RetentionPhase.DRY_RUN if facts.spec.dry_run else RetentionPhase.ACTIVE


def _conditions(facts: PolicyFacts, valid: RetentionBounds | None) -> Iterator[ConditionUpdate]:
    holds = facts.in_force == facts.name
    if isinstance(facts.spec, str):
        yield false(ACTIVE, "InvalidSpec", f"{facts.spec}; {_meanwhile(facts)}")
    elif not holds:
        yield false(ACTIVE, "Superseded", _superseded(facts.in_force))
    elif facts.spec.dry_run:
        yield true(ACTIVE, "DryRun", "a dry run: what would end or be deleted is only counted")
    else:
        yield true(ACTIVE, "InForce", "in force for the agents and functions of this namespace")
    if holds and valid is not None:
        yield effective(valid, facts.agents)


def _superseded(other: str) -> str:
    return (
        f'the older SessionRetentionPolicy "{other}" is in force in this namespace: change that one'
        " and delete this one, or delete that one"
    )


def _meanwhile(facts: PolicyFacts) -> str:
    if facts.in_force == facts.name:
        return "the last valid spec stays in force until this one is corrected"
    if facts.in_force:
        return f'SessionRetentionPolicy "{facts.in_force}" is in force'
    return "nothing is bounded until the spec is corrected"


def effective(bounds: RetentionBounds, agents: Iterable[tuple[str, str]]) -> ConditionUpdate:
    """Return whether every bound has an effect; `agents` are names and types of stores."""
    others = [name for name, store in agents if store not in _KEEPING]
    if bounds.retention_days is None or not others:
        return true(EFFECTIVE, "EveryBound")
    return false(
        EFFECTIVE,
        "NothingIsKept",
        f"for {listed(others)} retentionDays only bounds how long a session can be continued:"
        " memory and Redis keep no data of an ended session; set session.type: postgres or mongodb,"
        " or sqlite with one pod, to keep its history",
    )
