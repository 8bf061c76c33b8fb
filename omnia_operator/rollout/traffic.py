"""What splits the traffic of a rollout outside of the facades: pure decisions about weights.

A decision is made from the objects as they are. It has the patches that bring them to a weight of
the candidate, and what keeps it from being in force. Made again after its patches, it has none.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.agentruntime import AgentRuntimeSpec
from omnia_operator.api.rollout import RolloutStatus, WeightWrite
from omnia_operator.api.traffic_routing import TrafficRouting

CHECK_SECONDS: Final = 5.0
"""The objects with the weights are read again at this interval while a rollout uses them."""

FACADES_PLACE_SESSIONS: Final = "FacadesPlaceSessions"
WEIGHTS_SET: Final = "WeightsSet"
NOT_INSTALLED: Final = "NotInstalled"
NOT_ALLOWED: Final = "NotAllowed"
NOT_FOUND: Final = "ObjectNotFound"
NOT_READABLE: Final = "NotReadable"
ROUTE_INVALID: Final = "RouteInvalid"
SUBSET_INVALID: Final = "SubsetInvalid"
WEIGHTS_INVALID: Final = "WeightsInvalid"
NOT_WRITTEN: Final = "NotWritten"
WEIGHTS_CONTESTED: Final = "WeightsContested"

ALL: Final = 100


@dataclass(frozen=True)
class TrafficProblem:
    """Why a weight is not in force: a reason in one word, and what to do."""

    reason: str
    message: str


@dataclass(frozen=True)
class TrafficState:
    """What splits the traffic, and whether it does so as the status wants it."""

    problem: TrafficProblem | None = None
    drained: bool = True
    """Whether the candidate gets nothing, as far as is known."""
    said: str = ""
    """What gives the candidate which weight, for people."""
    writes: tuple[WeightWrite, ...] = ()
    """What the status notes about the writes of the objects."""


@dataclass(frozen=True)
class WeightedBackend:
    """One of the destinations among which a route divides its traffic."""

    pointer: str
    """JSON pointer to it."""
    weight: int | None
    """None: the field is missing."""
    identity: tuple[tuple[str, str], ...]
    """Pointers below it and the texts there, by which the API server knows it again."""


@dataclass(frozen=True)
class WeightDecision:
    """What brings the weights of an object to what is wanted."""

    operations: tuple[JsonObject, ...] = ()
    """A JSON patch; empty: nothing is to be changed."""
    problems: tuple[TrafficProblem, ...] = ()
    drained: bool = True
    """Whether no route of the object gives the candidate anything, when it is patched."""


def objects_of(spec: AgentRuntimeSpec) -> TrafficRouting | None:
    """Return the objects with the weights that a spec names; None: the facades split it."""
    routing = spec.rollout.traffic_routing if spec.rollout else None
    if routing is None or (routing.istio is None and routing.gateway_api is None):
        return None
    return routing


def wanted_weight(spec: AgentRuntimeSpec, status: RolloutStatus) -> int:
    """Return the weight that the candidate has in the objects that the status names."""
    if not status.active or status.over or status.traffic_routing != objects_of(spec):
        return 0
    return status.current_weight or 0


def takes_both_sides(spec: AgentRuntimeSpec, status: RolloutStatus, state: TrafficState) -> bool:
    """Whether the Service of an agent selects the candidate's pods too, for the subsets of Istio.

    It does so when the mesh is known to give the candidate its weight only, and as long as the mesh
    may give it any: a subset without pods would answer with errors.
    """
    routing = status.traffic_routing
    if not status.active or routing is None or routing.istio is None:
        return False
    if not state.drained:
        return True
    return state.problem is None and not status.over and routing == objects_of(spec)


def split(
    stable: WeightedBackend,
    candidate: WeightedBackend,
    others: Iterable[WeightedBackend],
    weight: int,
    *,
    unset: int,
    where: str,
) -> WeightDecision:
    """Decide about the weights of one route: what others have is subtracted from stable.

    Args:
        stable: the destination of stable.
        candidate: the destination of the candidate.
        others: what else the route has; it keeps its weights.
        weight: percentage for the candidate.
        unset: the weight of a destination without one.
        where: the route, for people.
    """
    found = [unset if each.weight is None else each.weight for each in others]
    kept, many = sum(found), bool(found)
    ours = [unset if each.weight is None else each.weight for each in (stable, candidate)]
    left = ALL - kept - weight
    # Without others their sum is only how somebody changed ours, which is put back.
    if (many and sum(ours) + kept != ALL) or left < 0:
        problem = _wrong_sum(where, stable, candidate, kept, sum(ours) + kept, weight)
        if weight > 0 or ours[1] == 0:
            return WeightDecision((), (problem,), drained=ours[1] == 0)
        # What ends a rollout must not wait for others.
        return WeightDecision((*_tests(candidate), _set(candidate, 0)), (problem,))
    changes = [
        (backend, target)
        for backend, target in ((stable, left), (candidate, weight))
        if backend.weight != target and not (backend.weight is None and target == unset)
    ]
    operations = [
        operation
        for backend, target in changes
        for operation in (*_tests(backend), _set(backend, target))
    ]
    return WeightDecision(tuple(operations), drained=weight == 0)


def merged(decisions: Iterable[WeightDecision]) -> WeightDecision:
    """Return the decision about several routes of one object."""
    found = tuple(decisions)
    return WeightDecision(
        tuple(operation for each in found for operation in each.operations),
        tuple(dict.fromkeys(problem for each in found for problem in each.problems)),
        all(each.drained for each in found),
    )


def _wrong_sum(
    where: str,
    stable: WeightedBackend,
    candidate: WeightedBackend,
    kept: int,
    total: int,
    weight: int,
) -> TrafficProblem:
    if kept + weight > ALL:
        message = (
            f"{where}: the other destinations have {kept} %, which leaves less than {weight} % for"
            " the candidate: lower their weights"
        )
    else:
        message = (
            f"{where}: the weights are {total} in sum, expected 100: set weight: {ALL - kept} at"
            f" {stable.pointer} and weight: 0 at {candidate.pointer}, or correct the others"
        )
    return TrafficProblem(WEIGHTS_INVALID, message)


def _tests(backend: WeightedBackend) -> Iterator[JsonObject]:
    """Yield tests that fail when something else has the place meanwhile."""
    for below, text in backend.identity:
        yield {"op": "test", "path": f"{backend.pointer}{below}", "value": text}


def _set(backend: WeightedBackend, weight: int) -> JsonObject:
    operation = "add" if backend.weight is None else "replace"
    return {"op": operation, "path": f"{backend.pointer}/weight", "value": weight}
