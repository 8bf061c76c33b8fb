"""The weights of a rollout in the Gateway API: the backends of an HTTPRoute."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import SERVICE
from omnia_operator.rollout.traffic import (
    NOT_READABLE,
    ROUTE_INVALID,
    TrafficProblem,
    WeightDecision,
    WeightedBackend,
    merged,
    split,
)

# What the API server writes when the field is missing.
_UNSET = 1


class _Backend(Struct, frozen=True):
    name: str = ""
    group: str = ""
    kind: str = SERVICE.name
    namespace: str = ""
    weight: int | None = None


class _RouteRule(Struct, frozen=True, rename="camel"):
    backend_refs: tuple[_Backend, ...] = ()


class _HTTPRoute(Struct, frozen=True):
    rules: tuple[_RouteRule, ...] = ()


def http_route_weights(
    document: JsonObject, namespace: str, agent: str, weight: int, port: int
) -> WeightDecision:
    """Decide about the weights of an HTTPRoute, in every rule with a backend of the candidate.

    Args:
        document: the HTTPRoute.
        namespace: that of the agent.
        agent: name of the agent, and of its Service.
        weight: percentage for the candidate.
        port: port of the Services.
    """
    name = f"HTTPRoute {document['metadata']['name']}"
    try:
        spec = msgspec.convert(document.get("spec") or {}, _HTTPRoute)
    except msgspec.ValidationError as error:
        problem = TrafficProblem(NOT_READABLE, f"{name} cannot be read: {error}")
        return WeightDecision((), (problem,), drained=False)
    decided = [
        decision
        for at, rule in enumerate(spec.rules)
        for decision in _rule(rule, f"/spec/rules/{at}", name, (namespace, agent), weight)
    ]
    if decided:
        return merged(decided)
    line = _line(labels.candidate_service(agent), port, 0)
    message = (
        f"no rule of {name} has a backend of the candidate: add it to backendRefs of the rule with"
        f" the Service {agent}: - {line}"
    )
    return WeightDecision((), (TrafficProblem(ROUTE_INVALID, message),))


def _rule(
    rule: _RouteRule, pointer: str, name: str, key: tuple[str, str], weight: int
) -> Iterator[WeightDecision]:
    namespace, agent = key
    wanted = {agent: "stable", labels.candidate_service(agent): "the candidate"}
    sides: dict[str, list[WeightedBackend]] = {service: [] for service in wanted}
    others: list[WeightedBackend] = []
    for at, each in enumerate(rule.backend_refs):
        identity = (("/name", each.name),)
        backend = WeightedBackend(f"{pointer}/backendRefs/{at}", each.weight, identity)
        own = (each.group, each.kind) == ("", SERVICE.name) and each.namespace in ("", namespace)
        (sides[each.name] if own and each.name in sides else others).append(backend)
    stable, candidate = sides.values()
    if not candidate:
        return  # a rule that the rollout leaves alone
    where = f"{pointer} of {name}"
    if len(stable) == len(candidate) == 1:
        yield split(stable[0], candidate[0], others, weight, unset=_UNSET, where=where)
        return
    problems = tuple(
        TrafficProblem(
            ROUTE_INVALID,
            f"{where} has {len(found)} backends with the Service {service} of {wanted[service]},"
            " expected one",
        )
        for service, found in sides.items()
        if len(found) != 1
    )
    drained = all(each.weight == 0 for each in candidate)
    yield WeightDecision((), problems, drained)


def _line(service: str, port: int, weight: int) -> str:
    return f"{{name: {service}, port: {port}, weight: {weight}}}"
