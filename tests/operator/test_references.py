"""What is read for a resource is what the index knows of it, and nothing else."""

from collections.abc import Iterable

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    PROMPT_PACK,
    PROVIDER,
    SECRET,
    SESSION_RETENTION_POLICY,
    TOOL_REGISTRY,
    ObjectKind,
    kind_of,
)
from omnia_operator.reconcile.fetch import fetch
from omnia_operator.references import (
    ObjectReference,
    VersionsOfPack,
    groups_of,
    reference_to,
    references_of,
)
from omnia_operator.resolve import Key
from omnia_operator.scheduling.dependents import Dependents
from tests.operator import objects
from tests.operator.cluster import FakeCluster, config_map, secret


class RecordingCluster(FakeCluster):
    """Records the objects that are read, and the namespaces that are searched."""

    def __init__(self, *documents: JsonObject) -> None:
        super().__init__(*documents)
        self.read: set[ObjectReference] = set()
        self.searched: list[tuple[ObjectKind, str | None]] = []

    async def get(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        self.read.add(ObjectReference(kind, key))
        return await super().get(kind, key)

    async def find(
        self, kind: ObjectKind, namespace: str | None = None, instance: str | None = None
    ) -> list[JsonObject]:
        self.searched.append((kind, namespace))
        return await super().find(kind, namespace, instance)


def service(name: str, **marked: str) -> JsonObject:
    metadata = {"name": name, "namespace": "elsewhere", "labels": marked}
    spec = {"ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def client_key(name: str, agent: str) -> JsonObject:
    made = secret(name, {"keyHash": "aGFzaA=="})
    made["metadata"]["labels"] = {
        labels.CREDENTIAL_KIND: labels.CLIENT_KEY,
        labels.AGENT_NAME: agent,
    }
    return made


KEYED: JsonObject = {"type": "openai", "model": "m", "secretRef": {"name": "keys"}}
AGENT = objects.agent(
    {
        "promptPackRef": {"name": "pack"},
        "providers": [
            {"name": "default", "providerRef": {"name": "model"}},
            {"name": "judge", "providerRef": {"name": "scripted", "namespace": "shared"}},
        ],
        "toolRegistryRef": {"name": "tools"},
        "session": {"type": "redis", "storeRef": {"name": "store"}},
        "externalAuth": {"clientKeys": {}, "userIdKeyRef": {"name": "ids", "key": "key"}},
    }
)
INLINE = objects.agent({"providers": None, "provider": KEYED}, name="inline")
SHARED = objects.document(
    "Provider",
    "scripted",
    {
        "type": "mock",
        "mock": {"configMapRef": {"name": "script"}},
        "cassette": {"mode": "replay", "configMapRef": {"name": "recorded"}},
        "allowedNamespaces": ["*"],
    },
    namespace="shared",
)
SELECTING = objects.handler(
    {
        "httpConfig": None,
        "selector": {"matchLabels": {"app": "weather"}, "namespace": "elsewhere"},
        "auth": {"type": "bearer", "secretRef": {"name": "token", "key": "token"}},
    }
)
WORLD = (
    AGENT,
    INLINE,
    objects.pack({"packName": "pack"}, name="pack-v1"),
    objects.pack({"packName": "pack", "version": "2.0.0"}, name="pack-v2"),
    objects.pack({"packName": "other"}, name="other-v1"),
    config_map("pack-v1-json", {}),
    config_map("pack-v2-json", {}),
    config_map("other-v1-json", {}),
    objects.provider(KEYED),
    SHARED,
    {**config_map("script", {}), "metadata": {"name": "script", "namespace": "shared"}},
    {**config_map("recorded", {}), "metadata": {"name": "recorded", "namespace": "shared"}},
    objects.registry(SELECTING),
    service("weather", app="weather"),
    service("unselected", app="other"),
    secret("keys", {}),
    secret("store", {}),
    secret("ids", {}),
    secret("token", {}),
    secret("unused", {}),
    client_key("mine", "helper"),
    client_key("theirs", "inline"),
    objects.policy(),
    objects.policy(name="older"),
)


def index(*documents: JsonObject) -> Dependents:
    """Return the index of all documents."""
    dependents = Dependents()
    for document in documents:
        kind = kind_of(document["apiVersion"], document["kind"])
        whole = {**document, "metadata": {"namespace": "default", **document["metadata"]}}
        reference = reference_to(kind, whole)
        dependents.put(reference, references_of(kind, whole), groups_of(kind, whole))
    return dependents


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (AGENT_RUNTIME, "helper"),
        (AGENT_RUNTIME, "inline"),
        (PROMPT_PACK, "pack-v1"),
        (PROVIDER, "model"),
        (SESSION_RETENTION_POLICY, "retention"),
        (TOOL_REGISTRY, "tools"),
    ],
)
async def test_a_resource_depends_on_every_object_that_is_read_for_it_and_on_no_other(
    kind: ObjectKind, name: str
) -> None:
    cluster, dependents = RecordingCluster(*WORLD), index(*WORLD)
    key = "default", name
    own = ObjectReference(kind, key)

    found = await fetch(cluster, kind, cluster.objects[kind, key])

    kept = {
        *(ObjectReference(PROMPT_PACK, each) for each in found.packs),
        *(ObjectReference(PROVIDER, each) for each in found.providers),
        *(ObjectReference(TOOL_REGISTRY, each) for each in found.registries),
        *(
            ObjectReference(SESSION_RETENTION_POLICY, (each.namespace, each.name))
            for each in found.policies
        ),
        *(
            ObjectReference(kind_of("v1", "Service"), (each.namespace, each.name))
            for each in found.services
        ),
        *(ObjectReference(kind_of("v1", "ConfigMap"), each) for each in found.config_maps),
        *(ObjectReference(SECRET, each) for each in found.secrets),
    }
    known = {
        ObjectReference(*place)
        for place in cluster.objects
        if place[0] != AGENT_RUNTIME and own in dependents.affected(ObjectReference(*place))
    }
    assert kept - {own} == known - {own}
    assert cluster.read <= kept
    assert not [place for place in cluster.searched if place[1] is None]


@pytest.mark.parametrize("missing", [PROMPT_PACK, PROVIDER, TOOL_REGISTRY])
async def test_a_missing_object_is_searched_for_in_its_namespace(missing: ObjectKind) -> None:
    other = {PROMPT_PACK: objects.pack(name="another"), PROVIDER: objects.provider()}
    there = other.get(missing, objects.registry())
    there = {**there, "metadata": {**there["metadata"], "name": "another"}}
    cluster = RecordingCluster(AGENT, there)

    found = await fetch(
        cluster, AGENT_RUNTIME, cluster.objects[AGENT_RUNTIME, ("default", "helper")]
    )

    named: dict[ObjectKind, Iterable[Key]] = {
        PROMPT_PACK: found.packs,
        PROVIDER: found.providers,
        TOOL_REGISTRY: found.registries,
    }
    assert list(named[missing]) == [("default", "another")]
    assert not found.config_maps, "what nobody refers to is not followed"


def test_the_references_of_an_invalid_resource_are_known() -> None:
    newer = objects.agent({"session": {"type": "newer"}, "providers": None})
    key = newer["metadata"]["namespace"], "pack"

    assert references_of(AGENT_RUNTIME, newer) >= {VersionsOfPack(*key)}
