"""What `validate` finds about the traffic of a rollout: its objects among the manifests."""

from collections.abc import Iterator, Sequence

from omnia_cli.findings import Finding, about
from omnia_cli.manifests import Document
from omnia_core.documents import ValuePath
from omnia_core.env import SessionType
from omnia_core.names import API_VERSION, Kind
from omnia_operator import api
from omnia_operator.api.rollout import Rollout
from omnia_operator.api.traffic_routing import GatewayAPI, Istio
from omnia_operator.rollout.gateway import http_route_weights
from omnia_operator.rollout.istio import (
    ServiceHost,
    candidate_subsets,
    destination_rule_subsets,
    virtual_service_weights,
)
from omnia_operator.rollout.stable import routes_itself
from omnia_operator.rollout.traffic import WeightDecision

_ROUTING: ValuePath = ("spec", "rollout", "trafficRouting")


def check_traffic(documents: Sequence[Document]) -> Iterator[Finding]:
    """Yield what is wrong with the objects that have the weights of a rollout."""
    for document in documents:
        agent = _agent(document)
        rollout = agent.spec.rollout if agent else None
        routing = rollout.traffic_routing if rollout else None
        if agent is None or rollout is None or routing is None:
            continue
        if routing.istio is not None:
            decided = _istio(documents, agent, routing.istio, _highest(rollout))
        elif routing.gateway_api is not None:
            decided = _gateway(documents, agent, routing.gateway_api, _highest(rollout))
        else:
            continue
        for place, decision in decided:
            for problem in decision.problems:
                yield about(document, (*_ROUTING, *place), problem.message, "error")
        if agent.spec.session.type is SessionType.MEMORY and rollout.sticky_session is None:
            message = (
                "a session in memory is lost when its next connection reaches the other side: set"
                " rollout.stickySession, or session.type to redis, postgres or mongodb"
            )
            yield about(document, _ROUTING, message, "warning")


Decided = Iterator[tuple[ValuePath, WeightDecision]]


def _istio(
    documents: Sequence[Document], agent: api.AgentRuntime, istio: Istio, top: int
) -> Decided:
    host = ServiceHost(*agent.key)
    service = _found(documents, "VirtualService", agent, istio.virtual_service.name)
    if service is not None:
        routes = istio.virtual_service.routes
        weights = virtual_service_weights(service.value, routes, host, top)
        yield ("istio", "virtualService"), weights
    rule = _found(documents, "DestinationRule", agent, istio.destination_rule.name)
    if rule is not None:
        subsets = candidate_subsets(service.value if service else None, host)
        yield ("istio", "destinationRule"), destination_rule_subsets(rule.value, subsets, host)


def _gateway(
    documents: Sequence[Document], agent: api.AgentRuntime, gateway: GatewayAPI, top: int
) -> Decided:
    route = _found(documents, "HTTPRoute", agent, gateway.http_route.name)
    if route is not None and not routes_itself(agent):
        port = agent.spec.facade.port
        yield ("gatewayAPI", "httpRoute"), http_route_weights(route.value, *agent.key, top, port)


def _highest(rollout: Rollout) -> int:
    return max((step.set_weight or 0 for step in rollout.steps), default=0)


def _agent(document: Document) -> api.AgentRuntime | None:
    """Return a valid AgentRuntime; None for anything else."""
    if document.kind != Kind.AGENT_RUNTIME or document.value.get("apiVersion") != API_VERSION:
        return None
    try:
        resource = api.parse(document.value)
    except api.InvalidResource:
        return None
    return resource if isinstance(resource, api.AgentRuntime) else None


def _found(
    documents: Sequence[Document], kind: str, agent: api.AgentRuntime, name: str
) -> Document | None:
    key = agent.metadata.namespace, name
    return next(
        (document for document in documents if document.kind == kind and document.key == key), None
    )
