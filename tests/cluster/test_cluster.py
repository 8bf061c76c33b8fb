"""The API server takes our resource definitions, refuses what they forbid, and its pods work."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnia_core.names import API_VERSION
from tests.cluster.harness.api_client import ApiClient
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.fake_nodes import NODE_SELECTOR, TOLERATION, FakeNodes
from tests.cluster.harness.images import image
from tests.cluster.harness.own import OwnCluster
from tests.cluster.harness.waiting import becomes, eventually
from tests.cluster.kubectl import APPLY, Kubectl
from tests.cluster.talking import wait_reachable
from tests.operator import objects

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(each for each in (ROOT / "examples").iterdir() if each.is_dir())
# Every block of the specification, most of them parts of an AgentRuntime.
SPEC_BLOCKS = sorted((ROOT / "tests/operator/data/spec").glob("*.yaml"))

# The function of spec 002, as it stands there.
SUMMARIZER: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "AgentRuntime",
    "metadata": {"name": "summarizer"},
    "spec": {
        "mode": "function",
        "promptPackRef": {"name": "summarizer-pack"},
        "facade": {"type": "grpc", "port": 8080},
        "providers": [{"name": "default", "providerRef": {"name": "claude-sonnet"}}],
        "inputSchema": {
            "type": "object",
            "required": ["text"],
            "properties": {
                "text": {"type": "string", "description": "Text to summarise"},
                "maxWords": {"type": "integer", "minimum": 10, "maximum": 500},
            },
        },
        "outputSchema": {
            "type": "object",
            "required": ["summary"],
            "properties": {"summary": {"type": "string"}},
        },
    },
}


def function(**changes: object) -> str:
    """Return the function with some fields of its spec changed, or removed by None."""
    changed = copy.deepcopy(SUMMARIZER)
    spec = {**changed["spec"], **changes}
    changed["spec"] = {key: value for key, value in spec.items() if value is not None}
    return yaml.safe_dump(changed)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_applies_under_strict_validation(
    cluster_kubectl: Kubectl, example: Path
) -> None:
    cluster_kubectl.accepts_files(example)


@pytest.mark.parametrize("block", SPEC_BLOCKS, ids=lambda path: path.stem)
def test_a_block_of_the_specification_applies_as_written(
    cluster_kubectl: Kubectl, block: Path
) -> None:
    written = objects.load(block)
    document = written if "kind" in written else objects.merge(objects.agent(), written)
    document["metadata"].pop("namespace", None)
    cluster_kubectl.accepts(document)


def test_the_function_of_the_specification_applies(cluster_kubectl: Kubectl) -> None:
    assert "summarizer" in cluster_kubectl.accepts(SUMMARIZER)


@pytest.mark.parametrize("missing", ["inputSchema", "outputSchema"])
def test_a_function_without_a_schema_is_refused_with_what_to_do(
    cluster_kubectl: Kubectl, missing: str
) -> None:
    message = cluster_kubectl.refusal(*APPLY, "--filename=-", stdin=function(**{missing: None}))
    assert "add both inputSchema and outputSchema, or set mode: agent" in message


@pytest.mark.parametrize("mode", ["agent", None])
def test_an_agent_with_schemas_is_refused_with_what_to_do(
    cluster_kubectl: Kubectl, mode: str | None
) -> None:
    facade = {"type": "websocket"}
    message = cluster_kubectl.refusal(
        *APPLY, "--filename=-", stdin=function(mode=mode, facade=facade)
    )
    assert "remove them, or set mode: function" in message


def test_a_function_over_websocket_is_refused_with_what_to_do(cluster_kubectl: Kubectl) -> None:
    wrong = function(facade={"type": "websocket"})
    message = cluster_kubectl.refusal(*APPLY, "--filename=-", stdin=wrong)
    assert "spec.facade.type" in message
    assert "set facade.type: grpc" in message


def test_a_misspelt_field_is_refused_under_kubectls_own_default(cluster_kubectl: Kubectl) -> None:
    wrong = function(facade={"type": "grpc", "prot": 8080})
    message = cluster_kubectl.refusal("apply", "--filename=-", stdin=wrong)
    assert 'unknown field "spec.facade.prot"' in message


@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        ({"dryRun": True}, "add at least one of ttlAfterInactive, retentionDays and"),
        ({"ttlAfterInactive": "0s"}, "set it to 1s or more"),
        ({"retentionDays": 4000}, "should be less than or equal to 3650"),
        ({"maxMessagesPerSession": 1}, "should be greater than or equal to 2"),
    ],
)
def test_a_policy_that_bounds_nothing_or_everything_is_refused_with_what_to_do(
    cluster_kubectl: Kubectl, spec: dict[str, Any], advice: str
) -> None:
    policy = objects.document("SessionRetentionPolicy", "retention", spec, "default")
    message = cluster_kubectl.refusal(*APPLY, "--filename=-", stdin=yaml.safe_dump(policy))
    assert advice in message


def test_the_api_server_fills_in_the_defaults(cluster_kubectl: Kubectl) -> None:
    agent = ROOT / "examples/hello-agent/agent.yaml"
    spec = json.loads(cluster_kubectl.accepts_files(agent))["spec"]
    assert spec["facade"] == {
        "type": "websocket",
        "port": 8080,
        "handler": "runtime",
        "console": False,
        "consoleShows": "chat",
        "showTools": True,
        "clientToolTimeout": "1m",
        "service": {"type": "ClusterIP"},
    }
    assert spec["session"] == {"type": "memory", "ttl": "24h"}
    assert spec["mode"] == "agent"


def test_every_kind_is_listed_by_its_category_and_short_name(kubectl: Kubectl) -> None:
    kubectl.apply_files(ROOT / "examples/support-agent")
    kubectl.apply_files(ROOT / "examples/forgetful-agent")
    listed = kubectl("get", "omnia", "--output=name").split()
    assert {each.partition(".")[0] for each in listed} == {
        "agentruntime",
        "promptpack",
        "provider",
        "sessionretentionpolicy",
        "toolregistry",
    }


@pytest.fixture(scope="module")
def order_api(shared: Kubectl, omnia: Kubectl) -> Kubectl:
    """kubectl where the order API of the example runs."""
    shared.apply_files(ROOT / "examples/support-agent/order-api.yaml")
    wait_reachable(shared, "order-api", 8000)
    return shared


def test_a_pod_is_reached_by_the_name_and_the_address_of_its_service(order_api: Kubectl) -> None:
    call = (
        "import urllib.request;"
        "print(urllib.request.urlopen('http://order-api:8000/', timeout=30).read().decode())"
    )
    eventually(lambda: order_api("exec", "deployment/order-api", "--", "python", "-c", call))


def test_nothing_outside_the_cluster_is_reached(cluster: Cluster, order_api: Kubectl) -> None:
    if not isinstance(cluster, OwnCluster):
        pytest.skip("only a cluster of our own is closed")
    # 198.51.100.0/24 is reserved for documentation (RFC 5737).
    connect = "import socket; socket.create_connection(('198.51.100.1', 443), timeout=5)"
    message = order_api.refusal("exec", "deployment/order-api", "--", "python", "-c", connect)
    assert "unreachable" in message
    look_up = "import socket; socket.getaddrinfo('example.org', 443)"
    message = order_api.refusal("exec", "deployment/order-api", "--", "python", "-c", look_up)
    assert "gaierror" in message


def test_the_images_have_no_pip_and_run_without_root(kubectl: Kubectl, omnia: Kubectl) -> None:
    kubectl(
        *("run", "probe", f"--image={image('runtime')}", "--restart=Never", "--command", "--"),
        *("python", "-c", PROBE),
    )
    kubectl.wait_succeeded("probe")
    assert json.loads(kubectl("logs", "probe")) == {"user": 65532, "pip": False, "compiler": False}


PROBE = """
import importlib.util, json, os, shutil
compilers = [each for each in ("cc", "gcc", "clang") if shutil.which(each)]
pip = importlib.util.find_spec("pip") is not None or shutil.which("pip") is not None
print(json.dumps({"user": os.getuid(), "pip": pip, "compiler": bool(compilers)}))
"""


def test_the_use_of_nodes_is_measured(cluster: Cluster, cluster_kubectl: Kubectl) -> None:
    if not isinstance(cluster, OwnCluster):
        pytest.skip("only a cluster of our own is known to have metrics")

    # The API server asks a moment later whether somebody serves it, and the kubelet measures later.
    def measured() -> None:
        raw = ("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
        (node, *_) = json.loads(cluster_kubectl(*raw))["items"]
        assert node["usage"]["memory"].endswith("Ki"), node

    eventually(measured)


def test_a_real_redis_answers_in_the_cluster(kubectl: Kubectl, redis: str) -> None:
    assert kubectl("exec", f"deployment/{redis}", "--", "redis-cli", "ping").strip() == "PONG"


def test_a_scaled_object_of_keda_is_taken_and_a_wrong_one_refused(
    kubectl: Kubectl, keda: None
) -> None:
    trigger = {"type": "prometheus", "metadata": {"query": "vector(0)", "threshold": "10"}}
    scaled: dict[str, Any] = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "agent"},
        "spec": {"scaleTargetRef": {"name": "agent"}, "triggers": [trigger]},
    }
    kubectl.apply(scaled)
    scaled["spec"]["triggers"] = [{**trigger, "metadata": {"threshold": 10}}]
    assert "expected string" in kubectl.refusal(
        *APPLY, "--filename=-", stdin=yaml.safe_dump(scaled)
    )


def test_pods_on_fake_nodes_are_ready_and_run_nothing(cluster: Cluster, kubectl: Kubectl) -> None:
    if not isinstance(cluster, OwnCluster):
        pytest.skip("only a cluster of our own gets fake nodes")
    nodes = FakeNodes(ApiClient(cluster.layout.certificates), count=2)
    nodes.start()
    labels = {"app": "many"}
    pod = {
        "nodeSelector": NODE_SELECTOR,
        "tolerations": [TOLERATION],
        "containers": [{"name": "nothing", "image": "localhost/nothing:1"}],
    }
    try:
        kubectl.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "many"},
                "spec": {
                    "replicas": 50,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            }
        )
        kubectl.wait_available("many")
        kubectl("delete", "deployment", "many", "--cascade=foreground", "--timeout=150s")
        becomes(lambda: kubectl.list("pods"), [])
    finally:
        nodes.stop()
