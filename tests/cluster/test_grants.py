"""A withdrawn grant ends the pods that use it, on a real cluster."""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import announced, condition, everything, here, pods, ready
from tests.cluster.harness.waiting import becomes
from tests.cluster.kubectl import Kubectl
from tests.operator import objects

pytestmark = pytest.mark.usefixtures("omnia")

COPIED = "omnia-helper-provider-keys"
OPENAI = {
    "type": "openai",
    "model": "none",
    "baseURL": "http://127.0.0.1:1",
    "secretRef": {"name": "keys"},
}
KEYS: JsonObject = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "keys"},
    "stringData": {"api-key": "one"},
}


def provider(*allowed: str) -> JsonObject:
    return here(objects.provider(OPENAI | {"allowedNamespaces": list(allowed)}))


@pytest.fixture
def granting(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A second namespace, whose Provider has a key."""
    there = replace(kubectl, namespace=f"shared-{uuid.uuid4().hex[:8]}")
    kubectl("create", "namespace", there.namespace)
    try:
        yield there
    finally:
        kubectl("delete", "namespace", there.namespace, "--wait=false")


def test_a_withdrawn_grant_ends_the_pods_and_deletes_the_copied_key(
    kubectl: Kubectl, granting: Kubectl
) -> None:
    granting.apply(KEYS, provider(kubectl.namespace))
    reference = {"name": "model", "namespace": granting.namespace}
    kubectl.apply(*everything({"providers": [{"name": "default", "providerRef": reference}]})[:3])
    ready(kubectl, "helper")
    assert kubectl.succeeds("get", "secret", COPIED)

    granting.apply(provider())
    kubectl.wait_gone("secret", COPIED)
    kubectl.wait_gone("deployment", "helper")
    becomes(lambda: pods(kubectl), set())
    becomes(lambda: condition(kubectl, "helper", "ProviderReady")[1], "ProviderNotGranted")
    announced(kubectl, "GrantRevoked")

    granting.apply(provider(kubectl.namespace))
    ready(kubectl, "helper")
