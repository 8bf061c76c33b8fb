"""On a real cluster resources become agents that answer, and stay as they are wanted."""

import base64
import json
from pathlib import Path

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import PACK_PATH, TOOLS_PATH
from omnia_operator.cluster.client import FIELD_MANAGER
from omnia_operator.cluster.kinds import OPTIONAL, OWNED
from omnia_operator.labels import INSTANCE
from tests.cluster.agents import (
    condition,
    everything,
    here,
    nothing_is_left,
    pods,
    ready,
    rolled_out,
)
from tests.cluster.harness.waiting import becomes, eventually, wait_until
from tests.cluster.kubectl import Kubectl, Object
from tests.cluster.talking import call, read, say, talk, wait_reachable
from tests.cluster.tool_servers import discovered, http_tool, mcp_server, service
from tests.operator import objects, world
from tests.operator.cluster import config_map, secret

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.usefixtures("omnia")

OPENAI: JsonObject = {"type": "openai", "model": "gpt", "secretRef": {"name": "keys"}}


@pytest.mark.parametrize("name", ["demo-agent", "echo-agent", "hello-agent", "support-agent"])
def test_an_example_agent_answers_over_its_service(shared: Kubectl, name: str) -> None:
    shared.apply_files(EXAMPLES / name)
    ready(shared, name)

    (answer,) = say(shared, name, "Hello!")
    assert answer
    assert '"error"' not in answer


def test_the_example_agent_with_a_tool_calls_it(shared: Kubectl) -> None:
    shared.apply_files(EXAMPLES / "support-agent")
    wait_reachable(shared, "order-api", 8000)
    ready(shared, "support-agent")

    (answer,) = say(shared, "support-agent", "Where is my order A-1001?")
    assert "12 March" in answer


def test_the_example_functions_answer_over_their_services(shared: Kubectl) -> None:
    for name in ("echo-function", "summarizer-function"):
        shared.apply_files(EXAMPLES / name)
    ready(shared, "echo-function")
    ready(shared, "summarizer-function")

    assert call(shared, "echo-function", {"message": "hello"})["output"] == {"echo": "hello"}
    summary = call(shared, "summarizer-function", {"text": "A long text."})
    assert summary["output"]["summary"]


def test_an_owned_object_that_is_deleted_is_back(kubectl: Kubectl) -> None:
    kubectl.apply(*everything({"runtime": {"replicas": 2}}))
    ready(kubectl, "helper")
    owned = [
        (kind.name, each["metadata"]["name"])
        for kind in OWNED
        if kind not in OPTIONAL
        for each in kubectl.list(f"{kind.plural}.{kind.group}", f"{INSTANCE}=helper")
    ]
    assert {kind for kind, _ in owned} >= {
        "Deployment",
        "Service",
        "ConfigMap",
        "ServiceAccount",
        "PodDisruptionBudget",
    }
    for kind, name in owned:
        before = kubectl.get(kind, name)["metadata"]["uid"]
        kubectl("delete", kind, name, "--wait=false", "--cascade=orphan")

        def back(kind: str = kind, name: str = name, before: str = before) -> None:
            assert uid_of(kubectl, kind, name) not in {"", before}, f"{kind} {name}"

        eventually(back)


def uid_of(kubectl: Kubectl, kind: str, name: str) -> str:
    """Return the uid of an object, "" while there is none."""
    uid = "--output=jsonpath={.metadata.uid}"
    return kubectl("get", kind, name, "--ignore-not-found", uid).strip()


def test_an_owned_object_that_is_edited_is_mended(shared: Kubectl) -> None:
    shared.apply(*everything())
    ready(shared, "helper")

    port = '{"spec":{"ports":[{"name":"facade","port":1234,"targetPort":"facade"}]}}'
    shared("patch", "service", "helper", "--type=merge", f"--patch={port}")
    shared("scale", "deployment", "helper", "--replicas=3")
    shared("patch", "configmap", "omnia-helper-tools", "--type=merge", '--patch={"data":null}')

    def mended() -> None:
        (found,) = shared.get("service", "helper")["spec"]["ports"]
        replicas = shared.get("deployment", "helper")["spec"]["replicas"]
        data = shared.get("configmap", "omnia-helper-tools").get("data")
        assert (found["port"], replicas, data) == (8080, 1, {"tools.yaml": "handlers: []\n"})

    eventually(mended)


def test_references_that_appear_later_are_found_without_a_touch(kubectl: Kubectl) -> None:
    agent, pack, content, provider = everything()
    kubectl.apply(agent)

    def waits() -> None:
        assert condition(kubectl, "helper", "ProviderReady")[1] == "ProviderNotFound"
        assert condition(kubectl, "helper", "Ready")[0] == "False"

    eventually(waits)
    for each in (provider, content, pack):
        kubectl.apply(each)

    ready(kubectl, "helper")
    assert say(kubectl, "helper", "Hello!") == ["one"]


def test_a_new_prompt_and_new_answers_are_used_by_the_same_pods(
    shared: Kubectl,
) -> None:
    shared.apply(*everything())
    ready(shared, "helper")
    session, answers = talk(shared, "helper", "Hello!")
    assert answers == ["one"]
    before = pods(shared)

    changed = world.PACK_TEXT.replace("Be kind.", "Be brief.")
    provider = objects.provider({"mock": {"responses": {"defaultResponse": "two"}}})
    shared.apply(here(config_map("pack-json", {"pack.json": changed})), here(provider))

    def used() -> None:
        assert "Be brief." in read(shared, "helper", f"{PACK_PATH}/1.0.0.json")
        assert say(shared, "helper", "Hello!", session=session) == ["two"]

    eventually(used)
    assert pods(shared) == before


def test_a_new_key_replaces_the_pods(kubectl: Kubectl) -> None:
    one, two = (base64.b64encode(each).decode() for each in (b"one", b"two"))
    kubectl.apply(*everything()[:3], here(objects.provider(OPENAI)))
    kubectl.apply(here(secret("keys", {"api-key": one})))
    ready(kubectl, "helper")
    before = pods(kubectl)

    kubectl.apply(here(secret("keys", {"api-key": two})))

    wait_until("the pods are new", lambda: not pods(kubectl) & before)
    rolled_out(kubectl, "helper")


def test_a_conversation_in_redis_outlives_its_pod(kubectl: Kubectl, redis: str) -> None:
    kubectl.apply(*everything({"session": {"type": "redis", "storeRef": {"name": redis}}}))
    ready(kubectl, "helper")
    session, _ = talk(kubectl, "helper", "Hello!")

    kubectl("delete", "pod", *pods(kubectl), "--wait=true")
    rolled_out(kubectl, "helper")

    assert talk(kubectl, "helper", "And again?", session=session) == (session, ["one"])


def test_what_an_autoscaler_decides_is_not_undone(kubectl: Kubectl) -> None:
    scaling = {"enabled": True, "minReplicas": 1, "maxReplicas": 3}
    kubectl.apply(*everything({"runtime": {"autoscaling": scaling}}))
    ready(kubectl, "helper")
    assert kubectl.succeeds("get", "horizontalpodautoscaler", "helper")

    # The autoscaler decides this itself: it may soon undo what a person scales by hand.
    least = {**scaling, "minReplicas": 2}
    kubectl.apply(everything({"runtime": {"autoscaling": least}})[0])
    becomes(lambda: kubectl.get("deployment", "helper")["spec"]["replicas"], 2)
    # A change of the agent makes the operator apply the Deployment again.
    extra = {"extraEnv": [{"name": "COLOUR", "value": "blue"}]}
    kubectl.apply(everything({"runtime": {"autoscaling": least, **extra}})[0])

    def applied() -> Object:
        shown = kubectl("get", "deployment", "helper", "--output=json", "--show-managed-fields")
        found: Object = json.loads(shown)
        assert "COLOUR" in str(found["spec"]["template"])
        return found

    found = eventually(applied)
    assert found["spec"]["replicas"] == 2
    (mine,) = [
        each["fieldsV1"]["f:spec"]
        for each in found["metadata"]["managedFields"]
        if (each["manager"], each["operation"]) == (FIELD_MANAGER, "Apply")
    ]
    assert "f:template" in mine
    assert "f:replicas" not in mine


def test_deleting_an_agent_leaves_nothing(kubectl: Kubectl) -> None:
    kubectl.apply(*everything({"runtime": {"replicas": 2}}))
    ready(kubectl, "helper")

    kubectl("delete", "agentruntime", "helper")

    nothing_is_left(kubectl, "helper")


def test_an_image_that_does_not_exist_is_told(kubectl: Kubectl) -> None:
    kubectl.apply(*everything({"facade": {"image": "localhost/no-such-image:1"}}))

    def failed() -> None:
        assert kubectl.get("agentruntime", "helper")["status"]["phase"] == "Failed"
        _, reason, message = condition(kubectl, "helper", "Ready")
        assert reason == "ImagePullBackOff"
        assert "no-such-image" in message

    eventually(failed)


def test_a_program_that_ends_is_told_with_its_last_words(kubectl: Kubectl) -> None:
    wrong = {"extraEnv": [{"name": "LOG_LEVEL", "value": "loud"}]}
    kubectl.apply(*everything({"runtime": wrong}))

    def failed() -> None:
        assert condition(kubectl, "helper", "Ready")[1] == "CrashLoopBackOff"
        message = condition(kubectl, "helper", "DeploymentReady")[2]
        assert "container runtime" in message
        assert "LOG_LEVEL" in message

    eventually(failed)


def test_the_complete_example_of_the_specification_runs(
    kubectl: Kubectl, keda: None, redis: str
) -> None:
    agent = here(objects.load(objects.DATA / "spec" / "001-complete.yaml"))
    spec = {**agent["spec"], "session": {**agent["spec"]["session"], "storeRef": {"name": redis}}}
    named = {"packName": "customer-service-prompts", "version": "2.1.0"}
    kubectl.apply({**agent, "spec": spec})
    kubectl.apply(
        here(objects.pack(named)),
        here(config_map("pack-json", {"pack.json": world.PACK_TEXT})),
        objects.merge(here(objects.registry()), {"metadata": {"name": "service-tools"}}),
        *(
            objects.merge(here(objects.provider()), {"metadata": {"name": name}})
            for name in ("claude-production", "claude-haiku")
        ),
    )

    ready(kubectl, "production-agent")

    def running() -> None:
        status = kubectl.get("agentruntime", "production-agent")["status"]
        assert (status["phase"], status["activeVersion"]) == ("Running", "2.1.0")
        scaling = condition(kubectl, "production-agent", "AutoscalingReady")
        assert scaling[:2] == ("True", "Scaling")
        (trigger,) = kubectl.get("scaledobject", "production-agent")["spec"]["triggers"]
        assert trigger["metadata"]["threshold"] == "10"

    eventually(running)


@pytest.mark.exclusive
def test_another_operator_takes_over_when_the_leader_dies(kubectl: Kubectl, omnia: Kubectl) -> None:
    def holder() -> str:
        lease = omnia.get("lease", "omnia-operator")
        return str(lease.get("spec", {}).get("holderIdentity", ""))

    before = omnia.get("deployment", "omnia-operator")["spec"]["replicas"]
    omnia("scale", "deployment", "omnia-operator", "--replicas=2")
    try:
        omnia.wait_rollout("omnia-operator")

        def leads() -> str:
            name = holder()
            assert omnia.get("pod", name)["status"]["phase"] == "Running"
            return name

        # The holder may be a pod that an earlier test has ended.
        leader = eventually(leads)
        omnia("delete", "pod", leader, "--grace-period=0", "--force")
        wait_until("another leads", lambda: holder() not in ("", leader))

        kubectl.apply(*everything())
        ready(kubectl, "helper")
    finally:
        omnia("scale", "deployment", "omnia-operator", f"--replicas={before}")
        omnia.wait_rollout("omnia-operator")


def test_an_mcp_server_that_is_away_degrades_the_registry_until_it_is_back(
    kubectl: Kubectl,
) -> None:
    kubectl.apply(*mcp_server())
    wait_reachable(kubectl, "weather", 80)
    # Whoever answers there answers connections.
    good = {"httpConfig": {"endpoint": "https://kubernetes.default.svc"}}
    url = f"http://weather.{kubectl.namespace}.svc.cluster.local/mcp"
    server = {"transport": "streamable-http", "endpoint": url}
    registry = objects.registry(
        *(http_tool(name, good) for name in ("one", "two", "three")),
        {"name": "weather", "type": "mcp", "mcpConfig": server},
        probe={"enabled": True, "interval": "5s"},
    )
    kubectl.apply(here(registry))
    available = dict.fromkeys(("one", "two", "three", "forecast"), "Available")

    becomes(lambda: discovered(kubectl), ("Ready", available))
    kubectl("scale", "deployment", "weather", "--replicas=0")

    def away() -> None:
        assert discovered(kubectl) == ("Degraded", available | {"forecast": "Unavailable"})
        (message,) = {
            each["error"]
            for each in kubectl.get("toolregistry", "tools")["status"]["discoveredTools"]
            if "error" in each
        }
        assert f'the mcp server "weather" at {url}' in message

    eventually(away)
    kubectl("scale", "deployment", "weather", "--replicas=1")
    becomes(lambda: discovered(kubectl), ("Ready", available))


def test_a_service_that_a_selector_waits_for_reaches_the_agents_when_it_appears(
    kubectl: Kubectl,
) -> None:
    selector = {"selector": {"matchLabels": {"app": "late"}, "port": "web"}}
    fixed = {"httpConfig": {"endpoint": "http://orders"}}
    kubectl.apply(
        *everything({"toolRegistryRef": {"name": "tools"}}),
        here(objects.registry(http_tool("orders", fixed), http_tool("late", selector))),
    )
    ready(kubectl, "helper")
    away = {"orders": "Available", "late": "Unavailable"}
    becomes(lambda: discovered(kubectl), ("Degraded", away))
    before = pods(kubectl)

    kubectl.apply(service("late", {"name": "web", "port": 8080}))

    address = f"http://late.{kubectl.namespace}.svc.cluster.local:8080"
    wait_until("it is used", lambda: address in read(kubectl, "helper", TOOLS_PATH))
    becomes(lambda: discovered(kubectl), ("Ready", dict.fromkeys(away, "Available")))
    assert pods(kubectl) == before
