"""On a real API server the operator sets the weights of Istio and of the Gateway API.

Nothing routes by them here: the definitions are the projects' own, and no mesh and no Gateway runs.
"""

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from tests.cluster.agents import here, told
from tests.cluster.harness.waiting import becomes, eventually
from tests.cluster.kubectl import Kubectl, Object
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

pytestmark = pytest.mark.usefixtures("omnia")

STEPS: list[JsonObject] = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
ISTIO: JsonObject = {
    "istio": {
        "virtualService": {"name": "shop", "routes": ["primary"]},
        "destinationRule": {"name": "shop"},
    }
}
GATEWAY: JsonObject = {"gatewayAPI": {"httpRoute": {"name": "shop"}}}


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


def chosen(kubectl: Kubectl, selector: JsonObject) -> list[Object]:
    """Return the pods that a selector chooses."""
    return kubectl.list("pods", ",".join(f"{key}={value}" for key, value in selector.items()))


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

    # The condition has the line to add.
    told(kubectl, "helper", "TrafficRouting", ("False", "RouteInvalid"), "- {name: primary")
    kubectl.apply(whole)
    until(kubectl, "Paused", 10)
    becomes(lambda: service_weights(kubectl), [90, 10])

    def have_their_pods() -> None:
        subsets = kubectl.get("destinationrule", "shop")["spec"]["subsets"]
        assert [each["name"] for each in subsets] == ["stable", "candidate"]
        for subset in subsets:
            (pod,) = chosen(kubectl, subset["labels"])
            assert pod["metadata"]["labels"][labels.AGENT_NAME] == "helper"
        # The Service has the pods of both subsets.
        both = kubectl.get("service", "helper")["spec"]["selector"]
        assert len(chosen(kubectl, both)) == 2

    eventually(have_their_pods)

    kubectl.apply(whole, force=True)
    becomes(lambda: service_weights(kubectl), [90, 10])
    ask(kubectl, "promote 1")
    until(kubectl, "Paused", 60)
    becomes(lambda: service_weights(kubectl), [40, 60])
    ask(kubectl, "promote 2")
    idle(kubectl, "Promoted")

    def promoted() -> None:
        assert service_weights(kubectl) == [100, 0]
        agent = kubectl.get("agentruntime", "helper")
        assert agent["spec"]["promptPackRef"]["version"] == "2.0.0"
        # The Service has the pods of stable alone.
        service = kubectl.get("service", "helper")
        assert service["spec"]["selector"] == labels.selector("helper")

    eventually(promoted)


def test_an_abort_takes_the_weight_of_an_http_route_away(
    kubectl: Kubectl, http_routes: None
) -> None:
    route = http_route([backend("helper", 100), backend("helper-candidate", 0)])
    begin(kubectl, GATEWAY, route)
    until(kubectl, "Paused", 10)
    becomes(lambda: route_weights(kubectl), [90, 10])
    told(kubectl, "helper", "TrafficRouting", ("True", "WeightsSet"))
    becomes(
        lambda: kubectl.get("service", "helper-candidate")["spec"]["selector"],
        labels.selector(CANARY),
    )
    ask(kubectl, "abort 1 slow")
    becomes(lambda: route_weights(kubectl), [100, 0])
    idle(kubectl, "RolledBack")
    assert rollout(kubectl)["last"]["reason"] == "slow"
