"""What tools that compare manifests with a cluster see; what applying again writes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from omnia_operator.labels import INSTANCE
from tests.cluster.agents import here, ready, rolled_out
from tests.cluster.conftest import unavailable
from tests.cluster.harness.build import ARGOCD_DIFF, build, program
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.commands import run
from tests.cluster.harness.deploy import RELEASE
from tests.cluster.harness.errors import MissingPart
from tests.cluster.harness.paths import Layout
from tests.cluster.kubectl import Kubectl, Object
from tests.operator import objects

EXAMPLES = Path(__file__).parents[2] / "examples"
AGENTS = ["hello-agent", "support-agent", "summarizer-function"]
CHILDREN = "deployments,services,configmaps,secrets,serviceaccounts,networkpolicies,roles"
APPLIES = 10

pytestmark = pytest.mark.usefixtures("omnia")

Compare = Callable[[list[Object]], list[Object]]


@pytest.fixture(scope="session")
def argocd_diff(cluster: Cluster) -> Compare:
    """Argo CD's comparison of objects with the cluster: a verdict for each."""
    layout = Layout.of_this_user()
    try:
        build(layout, ARGOCD_DIFF)
    except MissingPart as missing:
        unavailable(str(missing))
    command = (program(layout, "argocd-diff"), cluster.kubeconfig)

    def compare(objects: list[Object]) -> list[Object]:
        found: list[Object] = json.loads(run(*command, stdin=json.dumps(objects)))
        return found

    return compare


def manifests(name: str, namespace: str) -> list[Object]:
    texts = [file.read_text() for file in sorted((EXAMPLES / name).glob("*.yaml"))]
    found: list[Object] = [each for text in texts for each in yaml.safe_load_all(text) if each]
    return [{**each, "metadata": {**each["metadata"], "namespace": namespace}} for each in found]


def quiet(kubectl: Kubectl, name: str) -> None:
    """Return when an agent or function is ready and its Deployment is complete."""
    rolled_out(kubectl, name)


def versions(kubectl: Kubectl, name: str) -> dict[str, str]:
    """Return the generation of everything that the operator made for an agent, by kind and name.

    Kubernetes' own controllers write a Deployment's status: of what has a specification,
    the generation tells writes by others; of the rest the resource version.
    """
    return {
        f"{each['kind']}/{each['metadata']['name']}": str(
            each["metadata"].get("generation") or each["metadata"]["resourceVersion"]
        )
        for each in kubectl.list(CHILDREN, f"{INSTANCE}={name}")
    }


def settled(kubectl: Kubectl, name: str) -> None:
    """Return when an agent that is made now is ready: whatever earlier changes led to is over."""
    kubectl.apply(here(objects.document("AgentRuntime", name, {"facade": {"handler": "echo"}})))
    ready(kubectl, name)


def drifted(verdicts: list[Object]) -> list[Object]:
    return [each for each in verdicts if each["serverSide"] or each["threeWay"]]


@pytest.fixture(scope="module")
def examples(shared: Kubectl, omnia: Kubectl) -> Kubectl:
    """kubectl where the examples are applied, all at once."""
    for name in AGENTS:
        text = yaml.safe_dump_all(manifests(name, shared.namespace))
        shared("apply", "--filename=-", stdin=text)
    return shared


@pytest.mark.parametrize("name", AGENTS)
def test_argo_cd_and_kubectl_see_no_difference_in_a_quiet_agent(
    examples: Kubectl, argocd_diff: Compare, name: str
) -> None:
    kubectl = examples
    objects = manifests(name, kubectl.namespace)
    text = yaml.safe_dump_all(objects)
    quiet(kubectl, name)

    assert kubectl("diff", "--filename=-", stdin=text) == ""
    assert drifted(argocd_diff(objects)) == []

    server_side = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller")
    kubectl("apply", *server_side, "--filename=-", stdin=text)
    assert kubectl("diff", *server_side, "--filename=-", stdin=text) == ""
    assert drifted(argocd_diff(objects)) == []


def test_argo_cd_sees_what_somebody_changed(examples: Kubectl, argocd_diff: Compare) -> None:
    objects = manifests("hello-agent", examples.namespace)
    agent = next(each for each in objects if each["kind"] == "AgentRuntime")
    other = json.loads(json.dumps(agent))
    other["spec"].setdefault("facade", {})["port"] = 8088

    changed = drifted(argocd_diff([other]))
    assert [each["kind"] for each in changed] == ["AgentRuntime"]


def test_argo_cd_sees_no_difference_in_the_chart_it_installed(
    omnia: Kubectl, cluster: Cluster, argocd_diff: Compare
) -> None:
    helm = (cluster.helm, f"--kubeconfig={cluster.kubeconfig}", f"--namespace={omnia.namespace}")
    text = run(*helm, "get", "manifest", RELEASE)
    objects = [each for each in yaml.safe_load_all(text) if each]
    for each in objects:
        if each["kind"] not in ("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"):
            each["metadata"].setdefault("namespace", omnia.namespace)

    found = argocd_diff(objects)
    assert {each["kind"] for each in found} >= {"Deployment", "ClusterRole"}
    assert [(each["kind"], each["name"]) for each in found if each["serverSide"]] == []


def test_applying_again_by_force_writes_nothing_of_a_quiet_agent(examples: Kubectl) -> None:
    kubectl, name = examples, "support-agent"
    text = yaml.safe_dump_all(manifests(name, kubectl.namespace))
    force = ("apply", "--server-side", "--force-conflicts", "--filename=-")
    kubectl(*force, stdin=text)
    # What the agent has of its tools follows from their server.
    kubectl.wait_available("order-api")
    quiet(kubectl, name)
    settled(kubectl, "before")
    before = versions(kubectl, name)
    assert any(each.startswith("Deployment/") for each in before)

    for number in range(APPLIES):
        kubectl(*force, stdin=text)
        # An annotation is an event that the operator acts on, as a tool's tracking mark is.
        kubectl("annotate", "--overwrite", f"agentruntime/{name}", f"example.com/applied={number}")

    settled(kubectl, "after")
    ready(kubectl, name)
    assert versions(kubectl, name) == before
