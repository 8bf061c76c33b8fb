"""Many agents that share one pack, one provider and one tool registry."""

import json
from collections.abc import Sequence

from omnia_core.jsonvalue import JsonObject
from tests.cluster.harness.fake_nodes import NODE_SELECTOR, TOLERATION
from tests.operator import objects, world

PACK, PROVIDER, TOOLS, CONTENT = "pack", "model", "tools", "pack-json"


def shared(namespace: str, answer: str = "one") -> list[JsonObject]:
    """Return what the agents refer to."""
    content = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"pack.json": world.PACK_TEXT}}
    return [
        {**content, "metadata": {"name": CONTENT, "namespace": namespace}},
        _placed(objects.pack(), namespace),
        provider(namespace, answer),
        _placed(objects.registry(), namespace),
    ]


def provider(namespace: str, answer: str) -> JsonObject:
    """Return the provider; its answer is in a file of every agent."""
    mock = {"mock": {"responses": {"defaultResponse": answer}}}
    return _placed(objects.provider(mock), namespace)


def agents(namespace: str, count: int, runtime: JsonObject) -> list[JsonObject]:
    """Return the agents; `runtime` is the block of that name."""
    spec = {"runtime": runtime, "toolRegistryRef": {"name": TOOLS}}
    return [_placed(objects.agent(spec, name=f"agent-{n:04}"), namespace) for n in range(count)]


def on_fake_nodes() -> JsonObject:
    """Return the runtime block of an agent whose pods run on the fake nodes."""
    return {"nodeSelector": NODE_SELECTOR, "tolerations": [TOLERATION]}


def stream(documents: Sequence[JsonObject]) -> str:
    """Return documents as kubectl reads them fastest."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})


def _placed(document: JsonObject, namespace: str) -> JsonObject:
    return objects.merge(document, {"metadata": {"namespace": namespace}})
