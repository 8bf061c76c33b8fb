"""On a real API server the operator sets the weights of Istio and of the Gateway API.

Nothing routes by them here: the definitions are the projects' own, and no mesh and no Gateway runs.
"""

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from tests.cluster.agents import condition, here
from tests.cluster.harness.waiting import wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.test_canary import version
from tests.cluster.test_rollout import CANARY, ask, idle, rollout, until
from tests.operator import objects
from tests.operator.test_traffic_weights import (
    backend,
    destination_rule,
    http_route,
    to,
    virtual_service,
)

pytestmark = [pytest.mark.usefixtures("omnia"), pytest.mark.timeout(300)]

STEPS: list[JsonObject] = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
ISTIO: JsonObject = {
    "istio": {
        "virtualService": {"name": "shop", "routes": ["primary"]},
        "destinationRule": {"name": "shop"},
    }
}
GATEWAY: JsonObject = {"gatewayAPI": {"httpRoute": {"name": "shop"}}}
# The operator looks every five seconds.
DRIFT_SECONDS = 30


def begin(kubectl: Kubectl, routing: JsonObject, *documents: JsonObject) -> None:
    """Make an agent with a rollout that is under way from its beginning."""
    agent = objects.agent(
        {
            "promptPackRef": {"name": "pack", "version": "1.0.0"},
            "rollout": {
                "candidate": {"promptPackVersion": "2.0.0"},
                "steps": STEPS,
                "trafficRouting": routing,
            },
        }
    )
    model = objects.provider({"mock": {"responses": {"defaultResponse": "one"}}})
    versions = (*version("1.0.0"), *version("2.0.0"))
    kubectl.apply(*documents, here(model), *versions, here(agent))


def service_weights(kubectl: Kubectl) -> list[int]:
    (route,) = kubectl.get("virtualservice", "shop")["spec"]["http"]
    return [each.get("weight", 0) for each in route["route"]]


def route_weights(kubectl: Kubectl) -> list[int]:
    (rule,) = kubectl.get("httproute", "shop")["spec"]["rules"]
    return [each["weight"] for each in rule["backendRefs"]]


def test_istio_gets_the_weights_of_each_step_and_what_is_missing_is_told(
    kubectl: Kubectl, istio: None
) -> None:
    whole = virtual_service(("primary", [to("stable", 100), to("candidate", 0)]))
    begin(kubectl, ISTIO, virtual_service(("other", [to("stable")])), destination_rule())

    def told() -> bool:
        status, reason, message = condition(kubectl, "helper", "TrafficRouting")
        return (status, reason) == ("False", "RouteInvalid") and "- {name: primary" in message

    wait_until("the condition has the line to add", told, seconds=60)
    kubectl.apply(whole)
    until(kubectl, "Paused", 10)
    wait_until(
        "stable and the candidate share", lambda: service_weights(kubectl) == [90, 10], seconds=20
    )
    subsets = kubectl.get("destinationrule", "shop")["spec"]["subsets"]
    assert [each["name"] for each in subsets] == ["stable", "candidate"]
    for subset in subsets:
        chosen = ",".join(f"{key}={value}" for key, value in subset["labels"].items())
        (pod,) = kubectl.list("pods", chosen)
        assert pod["metadata"]["labels"][labels.AGENT_NAME] == "helper"
    # The Service has the pods of both subsets.
    selector = kubectl.get("service", "helper")["spec"]["selector"]
    chosen = ",".join(f"{key}={value}" for key, value in selector.items())
    assert len(kubectl.list("pods", chosen)) == 2

    kubectl.apply(whole, force=True)
    wait_until(
        "the weights are put back",
        lambda: service_weights(kubectl) == [90, 10],
        seconds=DRIFT_SECONDS,
    )
    ask(kubectl, "promote 1")
    until(kubectl, "Paused", 60)
    wait_until("the next weight is set", lambda: service_weights(kubectl) == [40, 60], seconds=20)
    ask(kubectl, "promote 2")
    idle(kubectl, "Promoted")
    assert service_weights(kubectl) == [100, 0]
    assert kubectl.get("agentruntime", "helper")["spec"]["promptPackRef"]["version"] == "2.0.0"
    wait_until(
        "the Service has the pods of stable alone",
        lambda: kubectl.get("service", "helper")["spec"]["selector"] == labels.selector("helper"),
        seconds=20,
    )


def test_an_abort_takes_the_weight_of_an_http_route_away(
    kubectl: Kubectl, http_routes: None
) -> None:
    route = http_route([backend("helper", 100), backend("helper-candidate", 0)])
    begin(kubectl, GATEWAY, route)
    until(kubectl, "Paused", 10)
    wait_until(
        "the candidate has its weight", lambda: route_weights(kubectl) == [90, 10], seconds=20
    )
    assert condition(kubectl, "helper", "TrafficRouting")[:2] == ("True", "WeightsSet")
    service = kubectl.get("service", "helper-candidate")["spec"]
    assert service["selector"] == labels.selector(CANARY)
    ask(kubectl, "abort 1 slow")
    wait_until(
        "the candidate has no weight", lambda: route_weights(kubectl) == [100, 0], seconds=30
    )
    idle(kubectl, "RolledBack")
    assert rollout(kubectl)["last"]["reason"] == "slow"
