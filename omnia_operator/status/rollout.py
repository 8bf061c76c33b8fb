"""The conditions of a rollout."""

from collections.abc import Iterator

from omnia_operator.api.rollout import RolloutStatus
from omnia_operator.rollout.reasons import NO_ROLLOUT
from omnia_operator.rollout.traffic import FACADES_PLACE_SESSIONS, WEIGHTS_SET, TrafficState
from omnia_operator.status.conditions import ConditionUpdate, false, true

ROLLOUT_ACTIVE = "RolloutActive"
TRAFFIC_ROUTING = "TrafficRouting"


def rollout_conditions(
    rollout: RolloutStatus, traffic: TrafficState | None
) -> Iterator[ConditionUpdate]:
    """Yield whether a rollout is in progress, and what splits the traffic.

    Args:
        rollout: the status of the rollout.
        traffic: what splits the traffic; None before the first step.
    """
    made = true if rollout.active else false
    yield made(ROLLOUT_ACTIVE, rollout.reason or NO_ROLLOUT, rollout.message or "")
    if not rollout.active:
        return
    if rollout.traffic_routing is None:
        yield true(TRAFFIC_ROUTING, FACADES_PLACE_SESSIONS)
    elif traffic is not None and traffic.problem is not None:
        yield false(TRAFFIC_ROUTING, traffic.problem.reason, traffic.problem.message)
    elif traffic is not None:
        yield true(TRAFFIC_ROUTING, WEIGHTS_SET, traffic.said)
