"""The drivers of a rollout's traffic: they bring the objects with the weights to what is wanted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.rollout import RolloutStatus, WeightWrite
from omnia_operator.api.traffic_routing import GatewayAPI, Istio
from omnia_operator.cluster.errors import ClusterError, Forbidden
from omnia_operator.cluster.kinds import (
    DESTINATION_RULE,
    HTTP_ROUTE,
    VIRTUAL_SERVICE,
    ObjectKind,
)
from omnia_operator.cluster.port import Cluster
from omnia_operator.resolve import Key
from omnia_operator.rollout.contention import attempted, noted_about
from omnia_operator.rollout.gateway import http_route_weights
from omnia_operator.rollout.istio import (
    ServiceHost,
    candidate_subsets,
    destination_rule_subsets,
    virtual_service_weights,
)
from omnia_operator.rollout.stable import routes_itself
from omnia_operator.rollout.traffic import (
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_INSTALLED,
    NOT_WRITTEN,
    TrafficProblem,
    TrafficState,
    WeightDecision,
    wanted_weight,
)


class TrafficDriver(Protocol):
    """What splits the traffic of a rollout."""

    async def route(self, weight: int) -> TrafficState:
        """Give the candidate a percentage of the traffic, if it has another one.

        Raises:
            ClusterError: the API server did not answer.
        """
        ...


async def route_traffic(
    cluster: Cluster, agent: AgentRuntime, status: RolloutStatus, now: str
) -> TrafficState:
    """Give the candidate of a rollout the weight that its status has."""
    driver = _driver(cluster, agent, status, now)
    state = await driver.route(wanted_weight(agent.spec, status))
    # A candidate that never had a weight need not lose it.
    return state if status.weights else replace(state, drained=True)


def _driver(
    cluster: Cluster, agent: AgentRuntime, status: RolloutStatus, now: str
) -> TrafficDriver:
    written = _Written(status.weight_writes, now)
    routing = status.traffic_routing if status.active else None
    if routing is not None and routing.istio is not None:
        return IstioDriver(cluster, agent.key, routing.istio, written)
    if routing is not None and routing.gateway_api is not None:
        return GatewayDriver(cluster, agent, routing.gateway_api, written)
    return FacadeDriver()


@dataclass(frozen=True)
class _Written:
    """What the status notes about the writes of the objects, and what time it is."""

    writes: tuple[WeightWrite, ...]
    now: str


class FacadeDriver:
    """The facades of the agent place each session by the schedule: there is nothing to route."""

    async def route(self, weight: int) -> TrafficState:  # noqa: ARG002 - the schedule has it
        return TrafficState()


class IstioDriver:
    """A VirtualService has the weights, and a DestinationRule the pods of each side."""

    def __init__(self, cluster: Cluster, agent: Key, istio: Istio, written: _Written) -> None:
        self._cluster = cluster
        self._host = ServiceHost(*agent)
        self._istio = istio
        self._written = written

    async def route(self, weight: int) -> TrafficState:
        service = self._weighted(VIRTUAL_SERVICE, self._istio.virtual_service.name)
        rule = self._weighted(DESTINATION_RULE, self._istio.destination_rule.name)
        found = await service.read()
        subsets = candidate_subsets(found if isinstance(found, dict) else None, self._host)
        # A subset exists before it has a weight.
        defined = await rule.bring(
            await rule.read(),
            partial(destination_rule_subsets, candidates=subsets, host=self._host),
            weight,
        )
        decide = partial(
            virtual_service_weights,
            routes=self._istio.virtual_service.routes,
            host=self._host,
            weight=weight,
        )
        said = f"VirtualService {service.name} gives the candidate {weight} %"
        if defined.problem is not None and weight > 0:
            kept = (*defined.writes, *service.writes)
            return TrafficState(defined.problem, drained=False, writes=kept)
        routed = await service.bring(found, decide, weight)
        writes = (*defined.writes, *routed.writes)
        return TrafficState(defined.problem or routed.problem, routed.drained, said, writes)

    def _weighted(self, kind: ObjectKind, name: str) -> "_WeightedObject":
        grant = "set istio.enabled: true in the values of the chart"
        return _WeightedObject(
            self._cluster, kind, (self._host.namespace, name), "Istio 1.22", grant, self._written
        )


class GatewayDriver:
    """An HTTPRoute has the weights. The agent's own is rendered with them by its plan."""

    def __init__(
        self, cluster: Cluster, agent: AgentRuntime, gateway: GatewayAPI, written: _Written
    ) -> None:
        self._cluster = cluster
        self._agent = agent
        self._gateway = gateway
        self._written = written

    async def route(self, weight: int) -> TrafficState:
        (namespace, agent), name = self._agent.key, self._gateway.http_route.name
        grant = "grant it get and patch of httproutes, as the chart does"
        route = _WeightedObject(
            self._cluster, HTTP_ROUTE, (namespace, name), "the Gateway API", grant, self._written
        )
        decide = partial(
            http_route_weights,
            namespace=namespace,
            agent=agent,
            weight=weight,
            port=self._agent.spec.facade.port,
        )
        if routes_itself(self._agent):
            routed = _rendered(await route.read(), decide)
        else:
            routed = await route.bring(await route.read(), decide, weight)
        said = f"HTTPRoute {name} gives the candidate {weight} %"
        return replace(routed, said=said)


def _rendered(
    found: JsonObject | TrafficProblem, decide: Callable[[JsonObject], WeightDecision]
) -> TrafficState:
    """Return whether an object that is applied with its weights has them."""
    if isinstance(found, TrafficProblem):
        return TrafficState(found)
    decision = decide(found)
    if decision.operations:
        message = "the HTTPRoute of the agent does not have its weights yet"
        return TrafficState(TrafficProblem(NOT_WRITTEN, message), drained=False)
    return TrafficState(next(iter(decision.problems), None), decision.drained)


@dataclass(frozen=True)
class _WeightedObject:
    """An object with weights, which belongs to the user."""

    cluster: Cluster
    kind: ObjectKind
    key: Key
    product: str
    """What has the kind."""
    grant: str
    """What lets the operator read and change it."""
    written: _Written

    @property
    def name(self) -> str:
        return self.key[1]

    @property
    def writes(self) -> tuple[WeightWrite, ...]:
        """What is noted about the object until now."""
        noted = noted_about(f"{self.kind} {self.name}", self.written.writes)
        return () if noted is None else (noted,)

    async def read(self) -> JsonObject | TrafficProblem:
        """Return the object as the API server has it."""
        try:
            found = await self.cluster.read_live(self.kind, self.key)
            if found is not None:
                return found
            served = await self.cluster.serves(self.kind)
        except Forbidden as error:
            return self._forbidden("read", error)
        if served:
            message = f"there is no {self.kind} {self.name} in the namespace {self.key[0]}: make it"
            return TrafficProblem(NOT_FOUND, message)
        message = (
            f"the cluster has no kind {self.kind} of {self.kind.api_version}: install"
            f" {self.product}, or remove rollout.trafficRouting"
        )
        return TrafficProblem(NOT_INSTALLED, message)

    async def bring(
        self,
        found: JsonObject | TrafficProblem,
        decide: Callable[[JsonObject], WeightDecision],
        weight: int,
    ) -> TrafficState:
        """Patch the object as is decided, where nobody contests it.

        With a weight for the candidate that is done only if nothing is wrong with the object.
        """
        if isinstance(found, TrafficProblem):
            # What does not exist sends nothing; what may not be read may send something.
            return TrafficState(found, drained=found.reason != NOT_ALLOWED, writes=self.writes)
        decision = decide(found)
        if decision.problems and weight > 0:
            return TrafficState(decision.problems[0], decision.drained, writes=self.writes)
        made = attempted(
            f"{self.kind} {self.name}",
            found,
            weight,
            next(iter(self.writes), None),
            differs=bool(decision.operations),
            now=self.written.now,
        )
        if made.write:
            failure = await self._patch(decision.operations)
            if failure is not None:
                return TrafficState(failure, drained=False, writes=self.writes)
        writes = () if made.noted is None else (made.noted,)
        if made.problem is not None:
            # Whoever contests a weight may give the candidate some again.
            return TrafficState(made.problem, drained=False, writes=writes)
        problem = next(iter(decision.problems), None)
        return TrafficState(problem, decision.drained, writes=writes)

    async def _patch(self, operations: Sequence[JsonObject]) -> TrafficProblem | None:
        try:
            await self.cluster.edit(self.kind, self.key, operations)
        except Forbidden as error:
            return self._forbidden("change", error)
        except ClusterError as error:
            message = f"{self.kind} {self.name} could not be changed: {error.message}"
            return TrafficProblem(NOT_WRITTEN, message)
        return None

    def _forbidden(self, verb: str, error: ClusterError) -> TrafficProblem:
        message = (
            f"the operator may not {verb} {self.kind} {self.name}: {self.grant}; {error.message}"
        )
        return TrafficProblem(NOT_ALLOWED, message)
