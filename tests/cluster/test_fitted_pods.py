"""Pods and routes that fit a platform, on a real cluster."""

import json
from collections.abc import Callable

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION
from omnia_operator.labels import INSTANCE
from tests.cluster.agents import condition, here, pods, ready, told
from tests.cluster.harness.images import image
from tests.cluster.harness.waiting import becomes, eventually
from tests.cluster.kubectl import Kubectl
from tests.cluster.talking import say
from tests.operator import objects

pytestmark = pytest.mark.usefixtures("omnia")

HOST = "fitted.example.com"


def agent(facade: JsonObject | None = None, runtime: JsonObject | None = None) -> JsonObject:
    return {
        "apiVersion": API_VERSION,
        "kind": "AgentRuntime",
        "metadata": {"name": "fitted"},
        "spec": {"facade": {"handler": "echo", **(facade or {})}, "runtime": runtime or {}},
    }


def beside(name: str, script: str, **fields: object) -> JsonObject:
    """A container with the image of the facade, which the nodes have."""
    return {
        "name": name,
        "image": image("facade"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", script],
        **fields,
    }


def test_containers_of_the_user_run_beside_the_agent(kubectl: Kubectl) -> None:
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    ends = "signal.signal(signal.SIGTERM, lambda *_: sys.exit())"
    wait = f"import signal, sys; {ends}; signal.pause()"
    seed = beside("seed", "open('/shared/seed', 'w').write('x')", volumeMounts=mounts)
    more = beside("more", f"assert open('/shared/seed').read() == 'x'; {wait}", volumeMounts=mounts)
    proxy = beside("proxy", wait, restartPolicy="Always")
    runtime = {
        "podLabels": {"team": "support"},
        "podAnnotations": {"example.com/owner": "support"},
        "volumes": [{"name": "shared", "emptyDir": {}}],
        "initContainers": [proxy, seed],
        "extraContainers": [more],
    }
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", kubectl.namespace, restricted)

    kubectl.apply(agent(runtime=runtime))

    ready(kubectl, "fitted")

    def beside_it() -> None:
        (found,) = kubectl.list("pods", f"{INSTANCE}=fitted,team=support")
        assert found["metadata"]["annotations"]["example.com/owner"] == "support"
        containers = {each["name"]: each["ready"] for each in found["status"]["containerStatuses"]}
        assert containers == {"facade": True, "more": True}

    eventually(beside_it)
    assert say(kubectl, "fitted", "Hello!") == ["Echo: Hello!"]


def test_a_field_that_kubernetes_refuses_is_told_with_its_place(kubectl: Kubectl) -> None:
    wrong = {"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    kubectl.apply(agent(runtime={"topologySpreadConstraints": [wrong]}))

    field = "spec.template.spec.topologySpreadConstraints[0].maxSkew"
    told(kubectl, "fitted", "Ready", ("False", "DeploymentFailed"), field)


@pytest.mark.parametrize("case", ["platform", "gateway"])
def test_the_api_server_accepts_every_field_of_the_resource(
    cluster_kubectl: Kubectl, case: str
) -> None:
    (document,) = objects.documents(objects.DATA / "golden" / case / "in.yaml")
    cluster_kubectl.accepts(here(document))


def test_an_agent_is_scaled_like_a_deployment(kubectl: Kubectl) -> None:
    kubectl.apply(agent())
    ready(kubectl, "fitted")
    before = pods(kubectl, "fitted")

    kubectl("scale", "agentruntime", "fitted", "--replicas=2")

    def two() -> None:
        there = pods(kubectl, "fitted")
        assert len(there) == 2
        assert before < there
        scale = kubectl("get", "agentruntime", "fitted", "--subresource=scale", "--output=json")
        status = json.loads(scale)["status"]
        assert status["replicas"] == 2
        assert f"{INSTANCE}=fitted" in status["selector"]

    eventually(two)
    ready(kubectl, "fitted")

    kubectl("scale", "agentruntime", "fitted", "--replicas=0")
    becomes(lambda: pods(kubectl, "fitted"), set())


def test_an_autoscaler_scales_the_agent_itself(kubectl: Kubectl) -> None:
    kubectl.apply(agent(runtime={"replicas": 1}))
    ready(kubectl, "fitted")
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "mine"},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": API_VERSION,
                "kind": "AgentRuntime",
                "name": "fitted",
            },
            # More than there are: without metrics it goes up to the least.
            "minReplicas": 2,
            "maxReplicas": 3,
        },
    }
    kubectl.apply(autoscaler)

    def two() -> None:
        assert kubectl.get("agentruntime", "fitted")["spec"]["runtime"]["replicas"] == 2
        assert len(pods(kubectl, "fitted")) == 2

    eventually(two)


def test_an_ingress_is_made_kept_and_removed(kubectl: Kubectl) -> None:
    expose = {"expose": {"hostnames": [HOST], "ingress": {"tls": {"secretName": "fitted-tls"}}}}
    kubectl.apply(agent(expose))
    ready(kubectl, "fitted")
    told(kubectl, "fitted", "ExposeReady", ("True", "IngressCreated"))
    becomes(lambda: kubectl.get("agentruntime", "fitted")["status"]["url"], f"wss://{HOST}/ws")
    before = kubectl.get("ingress", "fitted")["spec"]

    patch = '{"spec":{"defaultBackend":{"service":{"name":"other","port":{"number":80}}}}}'
    kubectl("patch", "ingress", "fitted", "--type=merge", f"--patch={patch}")
    becomes(lambda: kubectl.get("ingress", "fitted")["spec"], before)

    kubectl.apply(agent())
    kubectl.wait_gone("ingress", "fitted")


@pytest.mark.exclusive
def test_a_route_is_made_when_the_gateway_api_is_installed(
    kubectl: Kubectl, gateway_api: Callable[[], None]
) -> None:
    route = {"httpRoute": {"parentRefs": [{"name": "public"}]}}
    kubectl.apply(agent({"expose": {"hostnames": [HOST], **route}}))
    ready(kubectl, "fitted")
    becomes(lambda: condition(kubectl, "fitted", "ExposeReady")[1], "GatewayAPINotInstalled")

    gateway_api()

    becomes(lambda: condition(kubectl, "fitted", "ExposeReady")[1], "RoutePending")
    answered = (
        '{"status":{"parents":[{"parentRef":{"name":"public"},"controllerName":"example.com/test",'
        '"conditions":[{"type":"Accepted","status":"True","reason":"Accepted","message":"",'
        '"lastTransitionTime":"2026-01-01T00:00:00Z"}]}]}}'
    )
    kubectl(
        *("patch", "httproute", "fitted", "--subresource=status", "--type=merge"),
        f"--patch={answered}",
    )
    told(kubectl, "fitted", "ExposeReady", ("True", "RouteAccepted"))
