"""What a rollout changes in the plan of stable: its files, its Services and its own route."""

from dataclasses import replace

import msgspec

from omnia_core import names
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.rollout import RolloutStatus
from omnia_operator.plan.desired import AgentPlan
from omnia_operator.plan.rollout import (
    PEER_DOOR,
    SideService,
    TrafficPlan,
    candidate_facades,
    peer_token,
    stable_doors,
)
from omnia_operator.rollout.candidate import obstacle_of, schedule_config_map, schedule_of
from omnia_operator.rollout.traffic import (
    TrafficState,
    objects_of,
    takes_both_sides,
    wanted_weight,
)


def as_stable(
    planned: AgentPlan, agent: AgentRuntime, status: RolloutStatus, traffic: TrafficState
) -> AgentPlan:
    """Return the plan of an agent as that of stable in its rollout.

    Args:
        planned: the plan of the agent.
        agent: the agent as stable runs it.
        status: the rollout as it is written; what is only decided may be decided anew, and a weight
            must not begin at two times.
        traffic: what splits the traffic.
    """
    planned = _with_doors(planned, agent)
    planned = replace(planned, traffic=_traffic(agent, status, traffic))
    schedule = schedule_of(agent, status)
    if schedule is None:
        return planned
    return replace(
        planned,
        config_maps=(*planned.config_maps, schedule_config_map(agent.metadata.name, schedule)),
        secret_copies=(*planned.secret_copies, peer_token(*agent.key)),
    )


def routes_itself(agent: AgentRuntime) -> bool:
    """Whether the HTTPRoute with the weights is the agent's own, from `facade.expose`."""
    expose, routing = agent.spec.facade.expose, objects_of(agent.spec)
    gateway = routing.gateway_api if routing else None
    exposed = expose is not None and expose.http_route is not None
    return exposed and gateway is not None and gateway.http_route.name == agent.metadata.name


def _relays(agent: AgentRuntime) -> bool:
    """Whether facades of the candidate relay sessions of stable to its pods."""
    rollout = agent.spec.rollout
    sticky = rollout is not None and rollout.sticky_session is not None
    return sticky and objects_of(agent.spec) is not None and not obstacle_of(agent)


def _with_doors(planned: AgentPlan, agent: AgentRuntime) -> AgentPlan:
    """Let the candidate's facades in, also before there are any: a rollout replaces no pod."""
    if not _relays(agent):
        return planned
    env = msgspec.structs.replace(planned.facade.env, peer_port=names.PEER_PORT)
    facade = replace(planned.facade, env=env, ports=(*planned.facade.ports, PEER_DOOR))
    return replace(planned, facade=facade)


def _traffic(agent: AgentRuntime, status: RolloutStatus, traffic: TrafficState) -> TrafficPlan:
    name, spec = agent.metadata.name, agent.spec
    services: list[SideService] = []
    objects = [each for each in (objects_of(spec), status.traffic_routing) if each is not None]
    if any(each.gateway_api is not None for each in objects):
        services.append(candidate_facades(name, spec.facade.port))
    if _relays(agent):
        services.append(stable_doors(name))
    return TrafficPlan(
        both_sides=takes_both_sides(spec, status, traffic),
        services=tuple(services),
        candidate_weight=wanted_weight(spec, status) if routes_itself(agent) else None,
        candidate_service=services[0].name if services else "",
    )
