"""The conditions of a rollout."""

from collections.abc import Iterator

from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.rollout import RolloutStatus
from omnia_operator.rollout.machine import NO_ROLLOUT
from omnia_operator.status.conditions import ConditionUpdate, false, true

ROLLOUT_ACTIVE = "RolloutActive"
TRAFFIC_ROUTING = "TrafficRouting"


def rollout_conditions(agent: AgentRuntime, rollout: RolloutStatus) -> Iterator[ConditionUpdate]:
    """Yield whether a rollout is in progress, and what splits the traffic."""
    made = true if rollout.active else false
    yield made(ROLLOUT_ACTIVE, rollout.reason or NO_ROLLOUT, rollout.message or "")
    routing = agent.spec.rollout.traffic_routing if agent.spec.rollout else None
    if routing is not None and routing.istio is not None:
        message = (
            "the facades of the agent split the traffic, session by session; the weights of"
            f" VirtualService {routing.istio.virtual_service.name} are not set: remove"
            " rollout.trafficRouting"
        )
        yield false(TRAFFIC_ROUTING, "IstioNotSet", message)
    elif rollout.active:
        yield true(TRAFFIC_ROUTING, "FacadesPlaceSessions")
