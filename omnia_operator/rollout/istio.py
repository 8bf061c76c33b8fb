"""The weights of a rollout in Istio: the routes of a VirtualService, the subsets of a rule."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec
from msgspec import Struct

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Variant
from omnia_core.suggestions import listed
from omnia_operator import labels
from omnia_operator.rollout.traffic import (
    ALL,
    NOT_READABLE,
    ROUTE_INVALID,
    SUBSET_INVALID,
    TrafficProblem,
    WeightDecision,
    WeightedBackend,
    merged,
    split,
)

STABLE: Final = "stable"
CANDIDATES: Final = ("candidate", "canary")
# Istio sends nothing to a destination without a weight, if another one has one.
_UNSET = 0


class _Destination(Struct, frozen=True):
    host: str = ""
    subset: str = ""


class _RouteDestination(Struct, frozen=True):
    destination: _Destination = _Destination()
    weight: int | None = None


class _Route(Struct, frozen=True):
    name: str = ""
    route: tuple[_RouteDestination, ...] = ()


class _VirtualService(Struct, frozen=True):
    http: tuple[_Route, ...] = ()


class _Subset(Struct, frozen=True):
    name: str = ""
    labels: dict[str, str] = {}


class _Rule(Struct, frozen=True):
    host: str = ""
    subsets: tuple[_Subset, ...] | None = None


class ServiceHost(Struct, frozen=True):
    """The Service of an agent, as a host of Istio."""

    namespace: str
    agent: str

    def matches(self, host: str) -> bool:
        """Whether a host of an object in the same namespace is the Service."""
        full = f"{self.agent}.{self.namespace}"
        return host in (self.agent, full, f"{full}.svc") or host.startswith(f"{full}.svc.")


class _Wanted(Struct, frozen=True):
    """What the routes of a VirtualService are brought to."""

    name: str
    """The VirtualService, for people."""
    host: ServiceHost
    weight: int


def virtual_service_weights(
    document: JsonObject, routes: tuple[str, ...], host: ServiceHost, weight: int
) -> WeightDecision:
    """Decide about the weights of a VirtualService.

    Args:
        document: the VirtualService.
        routes: names of the routes to manage.
        host: the Service of the agent.
        weight: percentage for the candidate.
    """
    name = f"VirtualService {document['metadata']['name']}"
    try:
        spec = msgspec.convert(document.get("spec") or {}, _VirtualService)
    except msgspec.ValidationError as error:
        return _unusable(NOT_READABLE, f"{name} cannot be read: {error}", drained=False)
    wanted = _Wanted(name, host, weight)
    return merged(_routes(spec, route, wanted) for route in routes)


def candidate_subsets(document: JsonObject | None, host: ServiceHost) -> tuple[str, ...]:
    """Return the names that a VirtualService has for the subset of the candidate."""
    try:
        spec = msgspec.convert((document or {}).get("spec") or {}, _VirtualService)
    except msgspec.ValidationError:
        spec = _VirtualService()
    used = {
        each.destination.subset
        for route in spec.http
        for each in route.route
        if host.matches(each.destination.host)
    }
    return tuple(each for each in CANDIDATES if each in used) or CANDIDATES[:1]


def destination_rule_subsets(
    document: JsonObject, candidates: tuple[str, ...], host: ServiceHost
) -> WeightDecision:
    """Decide about the subsets of a DestinationRule: those that are missing are added.

    Args:
        document: the DestinationRule.
        candidates: names of the subset of the candidate.
        host: the Service of the agent.
    """
    name = f"DestinationRule {document['metadata']['name']}"
    try:
        rule = msgspec.convert(document.get("spec") or {}, _Rule)
    except msgspec.ValidationError as error:
        return _unusable(NOT_READABLE, f"{name} cannot be read: {error}")
    if not host.matches(rule.host):
        message = (
            f"{name} is for the host {rule.host or 'none'}, expected that of the agent: set"
            f" spec.host: {host.agent}"
        )
        return _unusable(SUBSET_INVALID, message)
    wanted = {STABLE: Variant.STABLE, **dict.fromkeys(candidates, Variant.CANDIDATE)}
    present = {subset.name: subset for subset in rule.subsets or ()}
    problems = [
        problem
        for subset, variant in wanted.items()
        if subset in present
        for problem in _mismatch(name, present[subset], host.agent, variant)
    ]
    missing: list[JsonObject] = [
        {"name": subset, "labels": {labels.VARIANT: variant.value}}
        for subset, variant in wanted.items()
        if subset not in present
    ]
    return WeightDecision(tuple(_added(document, missing)), tuple(problems))


def _added(document: JsonObject, missing: list[JsonObject]) -> Iterator[JsonObject]:
    if not missing:
        return
    present = (document.get("spec") or {}).get("subsets")
    if present is None:
        yield {"op": "add", "path": "/spec/subsets", "value": missing}
        return
    # Somebody may have added the same ones meanwhile.
    yield {"op": "test", "path": "/spec/subsets", "value": present}
    for subset in missing:
        yield {"op": "add", "path": "/spec/subsets/-", "value": subset}


def _mismatch(rule: str, subset: _Subset, agent: str, variant: Variant) -> Iterator[TrafficProblem]:
    """Yield the problem of a subset that has other pods than those of its side, or more."""
    side = labels.side(agent, variant)
    instance = agent if variant is Variant.STABLE else labels.canary_name(agent)
    known = {**side, **labels.selector(instance)}
    wrong = [key for key, value in subset.labels.items() if key in known and known[key] != value]
    telling = {labels.INSTANCE, labels.TRACK, labels.VARIANT} & subset.labels.keys()
    if wrong or not telling:
        found = f"{listed(wrong)} of other pods" if wrong else "no label that tells the sides apart"
        message = (
            f"the subset {subset.name} of {rule} has {found}: set its labels to"
            f" {{{labels.VARIANT}: {variant.value}}}"
        )
        yield TrafficProblem(SUBSET_INVALID, message)


def _routes(spec: _VirtualService, route: str, wanted: _Wanted) -> WeightDecision:
    """Decide about the routes with a name."""
    found = [(at, each) for at, each in enumerate(spec.http) if each.name == route]
    if found:
        return merged(_route(at, each, wanted) for at, each in found)
    host = wanted.host
    message = (
        f"{wanted.name} has no route {route}: add it below spec.http: - {{name: {route}, route:"
        f" [{_line(host, STABLE, ALL)}, {_line(host, CANDIDATES[0], 0)}]}}"
    )
    return _unusable(ROUTE_INVALID, message)


def _route(at: int, route: _Route, wanted: _Wanted) -> WeightDecision:
    pointer, where = f"/spec/http/{at}", f"route {route.name} of {wanted.name}"
    stable: list[WeightedBackend] = []
    candidates: list[WeightedBackend] = []
    others: list[WeightedBackend] = []
    for index, each in enumerate(route.route):
        subset = each.destination.subset
        identity = (("/destination/subset", subset),)
        own = wanted.host.matches(each.destination.host)
        side = stable if subset == STABLE else candidates if subset in CANDIDATES else others
        (side if own else others).append(
            WeightedBackend(f"{pointer}/route/{index}", each.weight, identity)
        )
    if len(stable) != 1 or len(candidates) != 1:
        problems = tuple(
            _not_one(side, len(found), where, f"{pointer}/route", wanted.host)
            for side, found in ((STABLE, stable), (CANDIDATES[0], candidates))
            if len(found) != 1
        )
        return WeightDecision((), problems, all(not each.weight for each in candidates))
    decided = split(stable[0], candidates[0], others, wanted.weight, unset=_UNSET, where=where)
    if not decided.operations:
        return decided
    named: JsonObject = {"op": "test", "path": f"{pointer}/name", "value": route.name}
    return replace(decided, operations=(named, *decided.operations))


def _not_one(side: str, count: int, where: str, pointer: str, host: ServiceHost) -> TrafficProblem:
    subset = side if side == STABLE else " or ".join(CANDIDATES)
    head = f"{where} has {count} destinations with the subset {subset} of the host {host.agent}"
    if count:
        return TrafficProblem(ROUTE_INVALID, f"{head}, expected one: remove the others")
    line = _line(host, side, ALL if side == STABLE else 0)
    return TrafficProblem(ROUTE_INVALID, f"{head}, expected one: add at {pointer}: - {line}")


def _line(host: ServiceHost, subset: str, weight: int) -> str:
    return f"{{destination: {{host: {host.agent}, subset: {subset}}}, weight: {weight}}}"


def _unusable(reason: str, message: str, *, drained: bool = True) -> WeightDecision:
    return WeightDecision((), (TrafficProblem(reason, message),), drained)
