"""A change wakes exactly those that it is about."""

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CONFIG_MAP,
    CUSTOM,
    DEPLOYMENT,
    OPTIONAL,
    PROMPT_PACK,
    PROVIDER,
    ROLLOUT_ANALYSIS,
    SECRET,
    SERVICE,
    SESSION_RETENTION_POLICY,
    TOOL_REGISTRY,
    WATCHED,
    ObjectKind,
    kind_of,
)
from omnia_operator.cluster.store import Store
from omnia_operator.references import ObjectReference
from omnia_operator.scheduling import EventIntake
from omnia_operator.scheduling.dependents import Dependents
from omnia_operator.scheduling.liveness import WatchLiveness
from tests.operator import objects
from tests.operator.cluster import config_map, secret


class Recorder:
    """Stands for the queue."""

    def __init__(self) -> None:
        self.items: set[ObjectReference] = set()

    def add(self, item: ObjectReference, delay: float = 0.0) -> None:
        assert delay >= 0
        self.items.add(item)


class Scene:
    def __init__(self, *documents: JsonObject) -> None:
        self.queue = Recorder()
        self.store = Store()
        self.intake = EventIntake(self.store, self.queue)  # type: ignore[arg-type]
        self.version = 0
        for document in documents:
            self.see(document)

    def see(self, document: JsonObject) -> set[tuple[str, str]]:
        self.version += 1
        kind, whole = self._whole(document)
        return self._woken(lambda: self.intake.seen(kind, whole))

    def lose(self, document: JsonObject) -> set[tuple[str, str]]:
        kind, whole = self._whole(document)
        return self._woken(lambda: self.intake.gone(kind, whole))

    def list(self, kind: ObjectKind, *documents: JsonObject) -> set[tuple[str, str]]:
        self.version += 1
        listed = [self._whole(each)[1] for each in documents]
        return self._woken(lambda: self.intake.listed(kind, listed, self.version, None))

    def _whole(self, document: JsonObject) -> tuple[ObjectKind, JsonObject]:
        metadata = {
            "namespace": "default",
            "resourceVersion": str(self.version),
            **document["metadata"],
        }
        kind = kind_of(document["apiVersion"], document["kind"])
        return kind, {**document, "metadata": metadata}

    def _woken(self, act: object) -> set[tuple[str, str]]:
        self.queue.items.clear()
        assert callable(act)
        act()
        return {(str(each.kind), each.key[1]) for each in self.queue.items}


def named(name: str, change: JsonObject | None = None) -> JsonObject:
    return objects.agent(change, name=name)


KEYED: JsonObject = {"type": "openai", "model": "m", "secretRef": {"name": "keys"}}
OTHER: JsonObject = {
    "promptPackRef": {"name": "other"},
    "providers": [{"name": "default", "providerRef": {"name": "other"}}],
}
HELPER = (AGENT_RUNTIME.name, "helper")
SCENE = (
    objects.agent({"toolRegistryRef": {"name": "tools"}}),
    named("bystander", OTHER),
    objects.pack({"packName": "pack"}, name="pack-v1"),
    config_map("pack-v1-json", {"pack.json": "{}"}),
    objects.provider(KEYED),
    secret("keys", {"api-key": "b25l"}),
    objects.registry(),
)


@pytest.mark.parametrize(
    ("change", "woken"),
    [
        (objects.provider(KEYED | {"model": "n"}), {("Provider", "model"), HELPER}),
        (secret("keys", {"api-key": "dHdv"}), {("Provider", "model"), HELPER}),
        (objects.registry(objects.handler(), timeout=1), {("ToolRegistry", "tools"), HELPER}),
        (config_map("pack-v1-json", {"pack.json": "1"}), {("PromptPack", "pack-v1"), HELPER}),
        (
            objects.pack({"packName": "pack", "version": "2.0.0"}, name="pack-v2"),
            {("PromptPack", "pack-v1"), ("PromptPack", "pack-v2"), HELPER},
        ),
        (config_map("unknown", {}), set()),
        (secret("unknown", {}), set()),
        (named("bystander", OTHER | {"mode": "agent"}), {(AGENT_RUNTIME.name, "bystander")}),
        (
            named("newcomer", {"providers": []}),
            {(AGENT_RUNTIME.name, "newcomer"), ("PromptPack", "pack-v1")},
        ),
    ],
)
def test_a_change_wakes_whom_it_is_about(change: JsonObject, woken: set[tuple[str, str]]) -> None:
    assert Scene(*SCENE).see(change) == woken


@pytest.mark.parametrize(
    ("document", "woken"),
    [
        (objects.provider(KEYED), {HELPER}),
        (secret("keys", {}), {("Provider", "model"), HELPER}),
        (objects.pack({"packName": "pack"}, name="pack-v1"), {HELPER}),
        (objects.agent(), {("PromptPack", "pack-v1")}),
    ],
)
def test_what_is_deleted_wakes_whom_it_was_for(
    document: JsonObject, woken: set[tuple[str, str]]
) -> None:
    assert Scene(*SCENE).lose(document) == woken


def test_what_an_agent_no_longer_refers_to_does_not_wake_it() -> None:
    scene = Scene(*SCENE)
    scene.see(objects.agent({"toolRegistryRef": None}))

    assert scene.see(objects.registry(objects.handler(), timeout=1)) == {("ToolRegistry", "tools")}


def test_a_resource_with_the_labels_of_an_agent_does_not_wake_it() -> None:
    marked = objects.merge(
        objects.provider(KEYED),
        {"metadata": {"name": "marked", "labels": labels.owned("bystander")}},
    )

    assert Scene(*SCENE).see(marked) == {("Provider", "marked")}


def test_what_is_seen_again_unchanged_wakes_nobody() -> None:
    scene = Scene(*SCENE)

    for each in SCENE:
        assert scene.see(each) == set()


def test_what_was_missed_is_found_by_a_listing() -> None:
    scene = Scene(*SCENE)

    assert scene.list(PROVIDER) == {HELPER}
    assert scene.list(SECRET, secret("keys", {"api-key": "b25l"})) == set()
    assert scene.store.get(PROVIDER, ("default", "model")) is None


def test_an_owned_object_wakes_its_agent() -> None:
    scene = Scene(*SCENE)
    metadata = {"name": "helper", "labels": labels.owned("helper")}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}

    assert scene.see(deployment) == {HELPER}
    assert scene.see(deployment | {"status": {"readyReplicas": 1}}) == {HELPER}
    assert scene.lose(deployment) == {HELPER}


SELECTING = objects.handler(
    {
        "httpConfig": None,
        "selector": {"matchLabels": {"app": "weather", "tier": "back"}, "namespace": "elsewhere"},
        "auth": {"type": "bearer", "secretRef": {"name": "token", "key": "token"}},
    }
)


def _service(port: int = 80, namespace: str = "elsewhere", **labels: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "weather", "namespace": namespace, "labels": labels},
        "spec": {"ports": [{"port": port}], "clusterIP": "10.0.0.1"},
    }


def test_a_service_wakes_the_registries_that_select_it_and_their_agents() -> None:
    scene = Scene(*SCENE, objects.registry(SELECTING))
    both = {("ToolRegistry", "tools"), HELPER}
    theirs = _service(app="weather", tier="back")

    assert scene.see(theirs) == both
    assert scene.see(theirs) == set()
    assert scene.see(_service(81, app="weather", tier="back")) == both
    assert scene.see(_service(81, app="other")) == both
    assert scene.see(_service(82, app="other")) == set()
    assert scene.see(_service(82, "default", app="weather", tier="back")) == set()
    assert scene.see(theirs) == both
    assert scene.lose(theirs) == both


def test_what_matters_of_somebody_elses_service_is_remembered() -> None:
    store = Store()
    store.put(SERVICE, _service(app="weather"))

    found = store.get(SERVICE, ("elsewhere", "weather"))
    assert found is not None
    assert found["spec"] == {"ports": [{"port": 80}]}


def test_a_secret_of_a_tool_server_wakes_its_registry() -> None:
    scene = Scene(*SCENE, objects.registry(SELECTING))

    assert scene.see(secret("token", {"token": "b25l"})) == {("ToolRegistry", "tools"), HELPER}


def test_a_client_key_wakes_its_agent_when_it_comes_changes_hands_and_goes() -> None:
    accepted: JsonObject = {"externalAuth": {"clientKeys": {}}}
    closed = objects.agent(name="closed")
    scene = Scene(objects.agent(accepted), objects.agent(accepted, name="other"), closed)

    def key(agent: str) -> JsonObject:
        made = secret("key", {"keyHash": "aGFzaA=="})
        marks = {labels.CREDENTIAL_KIND: labels.CLIENT_KEY, labels.AGENT_NAME: agent}
        made["metadata"]["labels"] = marks if agent else {}
        return made

    helper, other = ("AgentRuntime", "helper"), ("AgentRuntime", "other")
    assert scene.see(key("helper")) == {helper}
    assert scene.see(key("other")) == {helper, other}
    assert scene.see(key("")) == {other}
    assert scene.see(key("helper")) == {helper}
    assert scene.lose(key("helper")) == {helper}
    assert scene.see(key("closed")) == set()


def test_the_key_of_the_user_ids_wakes_its_agent() -> None:
    rules = {"externalAuth": {"userIdKeyRef": {"name": "ids", "key": "key"}}}
    scene = Scene(objects.agent(rules))

    assert scene.see(secret("ids", {"key": "eA=="})) == {("AgentRuntime", "helper")}


POLICY, OLDER = (("SessionRetentionPolicy", name) for name in ("retention", "older"))
BYSTANDER = (AGENT_RUNTIME.name, "bystander")
ELSEWHERE = objects.merge(objects.agent(), {"metadata": {"namespace": "else", "name": "far"}})
SILENT = named("echo", {"facade": {"handler": "echo"}})


def test_a_policy_wakes_every_agent_of_its_namespace_and_the_other_policies() -> None:
    scene = Scene(*SCENE, ELSEWHERE, SILENT)

    assert scene.see(objects.policy()) == {POLICY, HELPER, BYSTANDER}
    assert scene.see(objects.policy()) == set()
    assert scene.see(objects.policy({"dryRun": True})) == {POLICY, HELPER, BYSTANDER}
    assert scene.see(objects.policy(name="older")) == {POLICY, OLDER, HELPER, BYSTANDER}
    assert scene.see(objects.policy(namespace="else")) == {POLICY, ("AgentRuntime", "far")}
    assert scene.lose(objects.policy({"dryRun": True})) == {OLDER, HELPER, BYSTANDER}


def test_an_agent_that_comes_goes_or_keeps_sessions_elsewhere_wakes_the_policies() -> None:
    scene = Scene(objects.policy(), objects.policy(name="older"), SILENT)
    redis = objects.agent({"session": {"type": "redis"}})

    assert scene.see(objects.agent()) == {HELPER, POLICY, OLDER}
    assert scene.see(objects.agent({"media": {}})) == {HELPER}
    assert scene.see(redis) == {HELPER, POLICY, OLDER}
    assert scene.see(redis | {"status": {"phase": "Running"}}) == {HELPER}
    assert scene.lose(redis) == {POLICY, OLDER}


def test_an_older_event_does_not_undo_a_newer_one() -> None:
    store = Store()
    new = objects.provider()
    new["metadata"]["resourceVersion"] = "12"
    old = objects.provider({"type": "openai"})
    old["metadata"]["resourceVersion"] = "9"

    assert store.put(PROVIDER, new)
    assert not store.put(PROVIDER, old)
    found = store.get(PROVIDER, ("default", "model"))
    assert found is not None
    assert found["spec"]["type"] == "mock"


def test_no_secret_is_remembered() -> None:
    store = Store()
    store.put(SECRET, secret("keys", {"api-key": "c2VjcmV0"}))

    found = store.get(SECRET, ("default", "keys"))
    assert found is not None
    assert set(found["data"]) == {"api-key"}
    assert "c2VjcmV0" not in str(vars(store))


def test_the_content_of_somebody_elses_config_map_is_not_remembered() -> None:
    store = Store()
    assert store.put(CONFIG_MAP, config_map("theirs", {"a": "large"}) | _named("theirs"))
    assert store.put(CONFIG_MAP, config_map("theirs", {"a": "other"}) | _named("theirs"))

    assert "large" not in str(store.get(CONFIG_MAP, ("default", "theirs")))


def _named(name: str) -> JsonObject:
    return {"metadata": {"namespace": "default", "name": name}}


def test_everything_can_be_looked_at_again() -> None:
    scene = Scene(*SCENE, objects.policy(), objects.analysis())
    scene.queue.items.clear()

    scene.intake.wake_all()

    kinds = [each.kind for each in scene.queue.items]
    assert sorted(kinds, key=str) == [
        AGENT_RUNTIME,
        AGENT_RUNTIME,
        PROMPT_PACK,
        PROVIDER,
        ROLLOUT_ANALYSIS,
        SESSION_RETENTION_POLICY,
        TOOL_REGISTRY,
    ]
    assert set(kinds) == set(CUSTOM)


def test_a_watch_that_says_nothing_for_long_counts_as_dead() -> None:
    now = 0.0
    watches = WatchLiveness(lambda: now)
    assert set(watches.ages()) == {kind.name for kind in WATCHED if kind not in OPTIONAL}

    now = 250.0
    watches.alive(DEPLOYMENT)
    assert watches.dead() == []
    now = 250.1

    assert DEPLOYMENT.name not in watches.dead()
    assert SECRET.name in watches.dead()


def test_one_that_refers_to_an_object_no_longer_takes_none_of_the_others_with_it() -> None:
    dependents = Dependents()
    first, second, secret_of_both = (
        ObjectReference(kind, ("default", name))
        for kind, name in ((AGENT_RUNTIME, "a"), (AGENT_RUNTIME, "b"), (SECRET, "s"))
    )
    for agent in (first, second):
        dependents.put(agent, frozenset({secret_of_both}), frozenset())
    assert {first, second} <= dependents.affected(secret_of_both)
    dependents.put(first, frozenset(), frozenset())
    assert dependents.affected(secret_of_both) - {secret_of_both} == {second}
    dependents.put(second, frozenset(), frozenset())
    assert dependents.affected(secret_of_both) - {secret_of_both} == set()
    assert dependents._users == {}
