"""Whether an agent serves everybody: the environment of its facade says so."""

from collections.abc import Iterable

from omnia_core import names
from omnia_core.env import FacadeEnv
from omnia_core.jsonvalue import JsonObject
from omnia_operator.plan import AgentPlan

_TRUE = frozenset({"true", "1"})


def open_to_all(planned: AgentPlan | None, *deployments: JsonObject | None) -> bool:
    """Whether authentication is disabled in the plan of an agent, or in a Deployment of it."""
    # The plan has the user's variables, and a Deployment also what others added.
    own = [] if planned is None else planned.facade.variables
    return any(map(_disabled, (own, *map(_running, deployments))))


def _disabled(variables: Iterable[JsonObject]) -> bool:
    name = FacadeEnv.variable("allow_unauthenticated")
    return any(
        variable["name"] == name and str(variable.get("value")).lower() in _TRUE
        for variable in variables
    )


def _running(deployment: JsonObject | None) -> list[JsonObject]:
    """Return the facade's environment in a Deployment."""
    pods = (deployment or {}).get("spec", {}).get("template", {}).get("spec", {})
    return [
        variable
        for container in pods.get("containers") or ()
        if container.get("name") == names.FACADE_CONTAINER
        for variable in container.get("env") or ()
    ]
