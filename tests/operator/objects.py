"""Documents for the tests: the smallest valid ones, and changes to them."""

import base64
import copy
from pathlib import Path

import yaml

from omnia_core.jsonvalue import JsonObject
from omnia_core.names import API_VERSION

DATA = Path(__file__).parent / "data"
# The one in C, where PyYAML has it, takes a tenth of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


OPENAI: JsonObject = {"type": "openai", "model": "gpt", "secretRef": {"name": "keys"}}
BEARER: JsonObject = {"type": "bearer", "secretRef": {"name": "crm", "key": "token"}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def parsed(text: str) -> JsonObject:
    """Return the one document of a text."""
    document: JsonObject
    (document,) = yaml.load_all(text, LOADER)
    return document


def load(path: Path) -> JsonObject:
    return parsed(path.read_text(encoding="utf-8"))


def documents(path: Path) -> list[JsonObject]:
    return list(yaml.load_all(path.read_text(encoding="utf-8"), LOADER))


def merge(base: JsonObject, change: JsonObject) -> JsonObject:
    """Return `base` with `change` on top; None removes a field."""
    merged = copy.deepcopy(base)
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def document(kind: str, name: str, spec: JsonObject, namespace: str = "default") -> JsonObject:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def agent(change: JsonObject | None = None, **metadata: object) -> JsonObject:
    smallest = document(
        "AgentRuntime",
        "helper",
        {
            "promptPackRef": {"name": "pack"},
            "providers": [{"name": "default", "providerRef": {"name": "model"}}],
        },
    )
    return merge(smallest, {"metadata": metadata, "spec": change or {}})


def function(change: JsonObject | None = None) -> JsonObject:
    schema = {"type": "object"}
    spec = {"mode": "function", "facade": {"type": "grpc"}}
    return merge(
        agent(spec | {"inputSchema": schema, "outputSchema": schema}), {"spec": change or {}}
    )


def provider(change: JsonObject | None = None) -> JsonObject:
    return document("Provider", "model", merge({"type": "mock"}, change or {}))


def pack(change: JsonObject | None = None, name: str = "pack") -> JsonObject:
    source = {"type": "configmap", "configMapRef": {"name": f"{name}-json"}}
    return document("PromptPack", name, merge({"version": "1.0.0", "source": source}, change or {}))


def handler(change: JsonObject | None = None) -> JsonObject:
    smallest = {
        "name": "weather",
        "type": "http",
        "tool": {"name": "weather", "description": "Says the weather.", "inputSchema": {}},
        "httpConfig": {"endpoint": "http://weather.tools/now"},
    }
    return merge(smallest, change or {})


def registry(*handlers: JsonObject, **more: object) -> JsonObject:
    return document("ToolRegistry", "tools", {"handlers": list(handlers) or [handler()], **more})


def policy(
    change: JsonObject | None = None, name: str = "retention", **metadata: object
) -> JsonObject:
    made = document("SessionRetentionPolicy", name, merge({"ttlAfterInactive": "1h"}, change or {}))
    return merge(made, {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", **metadata}})


def metric(change: JsonObject | None = None) -> JsonObject:
    smallest = {
        "name": "errors",
        "successCondition": "result < 0.05",
        "provider": {"prometheus": {"address": "http://prometheus:9090", "query": "errors"}},
    }
    return merge(smallest, change or {})


def analysis(*metrics: JsonObject, **more: object) -> JsonObject:
    return document("RolloutAnalysis", "quality", {"metrics": list(metrics) or [metric()], **more})
