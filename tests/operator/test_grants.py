"""A grant that is withdrawn ends what an agent has by it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Kind
from omnia_operator import labels
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CONFIG_MAP,
    DEPLOYMENT,
    PROVIDER,
    SECRET,
    SERVICE,
    TOOL_REGISTRY,
    ObjectKind,
)
from omnia_operator.resolve import Grant
from tests.operator import objects
from tests.operator.cluster import FakeCluster, everything, secret, settled
from tests.operator.objects import BEARER, OPENAI, encoded

COPIED = "omnia-helper-provider-keys"


def of_shared(document: JsonObject, allowed: list[str] | None) -> JsonObject:
    change = {} if allowed is None else {"allowedNamespaces": allowed}
    changed = objects.merge(document, {"spec": change})
    return objects.merge(changed, {"metadata": {"namespace": "shared"}})


def provider(allowed: list[str] | None, spec: JsonObject | None = None) -> JsonObject:
    return of_shared(objects.provider(OPENAI if spec is None else spec), allowed)


def registry(allowed: list[str] | None) -> JsonObject:
    return of_shared(objects.registry(objects.handler({"auth": BEARER})), allowed)


def agent(**metadata: Any) -> JsonObject:
    """An agent that uses a Provider and a ToolRegistry of another namespace."""
    reference = {"name": "model", "namespace": "shared"}
    spec = {
        "providers": [{"name": "default", "providerRef": reference}],
        "toolRegistryRef": {"name": "tools", "namespace": "shared"},
    }
    return objects.agent(spec, **metadata)


async def running() -> FakeCluster:
    cluster = await settled(
        agent(),
        *everything()[1:3],
        provider(["default"]),
        registry(["default"]),
        secret("keys", {"api-key": encoded("one")}, "shared"),
        secret("crm", {"token": encoded("two")}, "shared"),
    )
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    assert COPIED in cluster.names(SECRET)
    return cluster


WITHDRAWN = [
    (provider, "ProviderReady", "ProviderNotGranted", 'Provider "model"'),
    (registry, "ToolRegistryReady", "ToolRegistryNotGranted", 'ToolRegistry "tools"'),
]


@pytest.mark.parametrize(("made", "condition", "reason", "name"), WITHDRAWN)
@pytest.mark.parametrize("allowed", [None, [], ["other"]])
async def test_a_withdrawn_grant_ends_the_pods_and_deletes_the_copied_key(
    made: Any, condition: str, reason: str, name: str, allowed: list[str] | None
) -> None:
    cluster = await running()

    cluster.put(made(allowed))
    await cluster.settle()

    assert cluster.names(DEPLOYMENT) == []
    assert COPIED not in cluster.names(SECRET)
    assert cluster.names(SERVICE) == ["helper"]
    assert cluster.conditions()[condition] == f"False: {reason}"
    assert cluster.conditions()["Ready"] == "False: RuntimeNotReady"
    assert cluster.status()["phase"] == "Pending"
    assert cluster.events.count(("helper", "GrantRevoked")) == 1

    cluster.put(made(["*"]))
    await cluster.settle()
    cluster.run_pods()
    await cluster.settle()

    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    assert COPIED in cluster.names(SECRET)


@pytest.mark.parametrize(
    "change",
    [
        {"facade": {"type": "none"}},
        {"promptPackRef": {"name": "missing"}},
        {"providers": [{"name": "default", "providerRef": {"name": "typo"}}]},
    ],
    ids=["invalid", "unresolved", "another"],
)
async def test_a_grant_is_withdrawn_from_an_agent_that_cannot_be_planned(
    change: JsonObject,
) -> None:
    cluster = await running()
    cluster.put(objects.merge(agent(), {"spec": change}))
    await cluster.settle()
    assert cluster.names(DEPLOYMENT) == ["helper"]

    cluster.put(provider([]))
    await cluster.settle()

    assert cluster.names(DEPLOYMENT) == []
    assert COPIED not in cluster.names(SECRET)


async def test_an_object_without_a_spec_grants_nothing() -> None:
    cluster = await running()

    cluster.put({**provider([]), "spec": None})
    await cluster.settle()

    assert cluster.names(DEPLOYMENT) == []
    assert COPIED not in cluster.names(SECRET)


async def test_a_withdrawn_grant_without_a_key_ends_the_pods_too() -> None:
    mock = {"type": "mock", "mock": {"responses": {"defaultResponse": "one"}}}
    cluster = await running()
    cluster.put(provider(["default"], mock))
    await cluster.settle()

    cluster.put(provider([], mock))
    await cluster.settle()

    assert cluster.names(DEPLOYMENT) == []


@pytest.mark.parametrize("kind", [PROVIDER, TOOL_REGISTRY], ids=str)
async def test_pods_run_on_when_the_granting_object_is_missing(kind: ObjectKind) -> None:
    cluster = await running()
    name = "model" if kind == PROVIDER else "tools"

    cluster.remove(kind, name, "shared")
    await cluster.settle()

    assert cluster.names(DEPLOYMENT) == ["helper"]
    assert ("helper", "GrantRevoked") not in cluster.events


async def test_pods_run_on_when_a_new_reference_was_never_granted() -> None:
    cluster = await running()
    other = objects.merge(provider([]), {"metadata": {"name": "other"}})
    reference = {"name": "other", "namespace": "shared"}

    cluster.put(
        other,
        objects.merge(
            agent(), {"spec": {"providers": [{"name": "default", "providerRef": reference}]}}
        ),
    )
    await cluster.settle()

    assert cluster.conditions()["ProviderReady"] == "False: ProviderNotGranted"
    assert cluster.names(DEPLOYMENT) == ["helper"]


async def test_an_agent_that_was_never_granted_anything_has_nothing_to_end() -> None:
    cluster = await settled(agent(), *everything()[1:3], provider([]), registry([]))

    assert cluster.conditions()["ProviderReady"] == "False: ProviderNotGranted"
    assert ("helper", "GrantRevoked") not in cluster.events


async def test_a_mocked_agent_needs_no_grant_of_its_providers() -> None:
    cluster = await running()
    cluster.put(agent(annotations={"omnia.altairalabs.ai/mock-provider": "true"}), provider([]))
    await cluster.settle()
    assert cluster.names(DEPLOYMENT) == ["helper"]

    cluster.put(objects.merge(agent(), {"spec": {"promptPackRef": {"name": "missing"}}}))
    cluster.put(provider(["default"]))
    await cluster.settle()
    assert cluster.names(DEPLOYMENT) == ["helper"]


async def test_a_deployment_of_an_older_operator_is_ended_by_what_the_spec_refers_to() -> None:
    cluster = await running()
    del cluster.live(DEPLOYMENT)["metadata"]["annotations"][labels.GRANTS]
    cluster.live(SECRET, COPIED)["metadata"]["name"] = "helper-provider-keys"
    cluster.objects[SECRET, ("default", "helper-provider-keys")] = cluster.objects.pop(
        (SECRET, ("default", COPIED))
    )

    cluster.put(provider([]))
    await cluster.reconcile(AGENT_RUNTIME)

    assert cluster.names(DEPLOYMENT) == []
    assert "helper-provider-keys" not in cluster.names(SECRET)


async def test_a_secret_of_somebody_else_with_that_name_stays() -> None:
    cluster = await running()
    cluster.remove(SECRET, COPIED)
    cluster.put(secret("helper-provider-keys", {"theirs": "eA=="}), provider([]))

    await cluster.settle()

    assert cluster.live(SECRET, "helper-provider-keys")["data"] == {"theirs": "eA=="}
    assert cluster.names(CONFIG_MAP)


TEXTS = st.text(alphabet=st.characters(codec="ascii", exclude_characters="/,"), min_size=1)


@given(st.sampled_from([Kind.PROVIDER, Kind.TOOL_REGISTRY]), TEXTS, TEXTS)
def test_a_grant_is_read_as_it_was_written(kind: Kind, namespace: str, name: str) -> None:
    grant = Grant(kind, namespace, name)
    assert Grant.read(str(grant)) == grant


@given(st.text() | st.sampled_from(["", "Provider", "Provider/a", "Provider//b", "Secret/a/b"]))
def test_what_is_no_grant_is_not_read(text: str) -> None:
    found = Grant.read(text)
    assert found is None or str(found) == text
