"""The API server's view of a document, from a generated CRD: strict about fields, without CEL."""

from typing import Any

import jsonschema

from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.crd import RESOURCES
from omnia_operator.api.schema import resource_schema


def faults(document: dict[str, Any]) -> list[str]:
    resource = next((r for r in RESOURCES if r.kind_name == document["kind"]), AgentRuntime)
    return violations(resource_schema(resource), document)


def violations(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """What a structural schema finds in a document."""
    validator = jsonschema.Draft202012Validator(_strict(schema))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get("properties", {}).get("metadata") == {"type": "object"}:
        metadata = {"x-kubernetes-preserve-unknown-fields": True}
        schema = plain = {**plain, "properties": {**plain["properties"], "metadata": metadata}}
    if "properties" in plain:
        plain["properties"] = {k: _strict(v) for k, v in plain["properties"].items()}
        if "x-kubernetes-preserve-unknown-fields" not in schema:
            plain["additionalProperties"] = False
    if "items" in plain:
        plain["items"] = _strict(plain["items"])
    return plain
