"""The condition about the exposure of an agent: what controllers say about its route."""

from collections.abc import Iterator, Mapping

from omnia_core.jsonvalue import JsonObject
from omnia_core.suggestions import listed
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.meta import ConditionStatus
from omnia_operator.resolve import Problem
from omnia_operator.status.conditions import ConditionUpdate, false, true

EXPOSE_READY = "ExposeReady"
ROUTE_PENDING = "RoutePending"


def exposure_conditions(
    agent: AgentRuntime, problems: Mapping[str, Problem], live: JsonObject | None
) -> Iterator[ConditionUpdate]:
    """Yield the condition, if the agent is exposed.

    Args:
        agent: the agent.
        problems: problems by condition.
        live: its Ingress or HTTPRoute.
    """
    expose = agent.spec.facade.expose
    if expose is None:
        return
    problem = problems.get(EXPOSE_READY)
    kind = "Ingress" if expose.http_route is None else "HTTPRoute"
    if problem is not None:
        yield false(EXPOSE_READY, problem.reason, problem.message)
    elif live is None:
        yield false(EXPOSE_READY, "ExposePending", f"the {kind} does not exist yet")
    elif expose.http_route is None:
        yield true(EXPOSE_READY, "IngressCreated", _addresses(live))
    else:
        yield _route(live)


def _addresses(ingress: JsonObject) -> str:
    published = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    found = [each.get("hostname") or each.get("ip") or "" for each in published]
    if not any(found):
        return "its controller has published no address; some never do"
    return f"its controller serves it at {listed(found)}"


def _route(route: JsonObject) -> ConditionUpdate:
    wanted = (route.get("spec") or {}).get("parentRefs") or ()
    parents = (route.get("status") or {}).get("parents") or ()
    refused = [text for parent in parents for text in _refusals(parent)]
    if refused:
        return false(EXPOSE_READY, "RouteRefused", "; ".join(refused))
    accepted = {_gateway(parent) for parent in parents if _holds(route, parent)}
    waiting = [name for name in map(_named, wanted) if name not in accepted]
    if waiting:
        message = (
            f"Gateway {listed(waiting)} has not answered yet: check that it exists, that its"
            " controller runs, and that a listener allows routes of this namespace"
        )
        return false(EXPOSE_READY, ROUTE_PENDING, message)
    return true(EXPOSE_READY, "RouteAccepted", f"accepted by Gateway {listed(sorted(accepted))}")


def _refusals(parent: JsonObject) -> Iterator[str]:
    for condition in parent.get("conditions") or ():
        if condition.get("type") in _REQUIRED and condition.get("status") == ConditionStatus.FALSE:
            said = condition.get("message") or condition.get("reason") or condition["type"]
            yield f"Gateway {_gateway(parent)}: {said}"


def _holds(route: JsonObject, parent: JsonObject) -> bool:
    """Whether a Gateway accepts the present spec of a route."""
    generation = route["metadata"].get("generation", 0)
    return any(
        condition.get("type") == "Accepted"
        and condition.get("status") == ConditionStatus.TRUE
        and condition.get("observedGeneration", generation) >= generation
        for condition in parent.get("conditions") or ()
    )


def _gateway(parent: JsonObject) -> str:
    return _named(parent.get("parentRef") or {})


def _named(reference: JsonObject) -> str:
    listener = reference.get("sectionName")
    return f'"{reference.get("name", "")}"' + (f" (listener {listener})" if listener else "")


_REQUIRED = ("Accepted", "ResolvedRefs")
