"""Parses a document as a resource, or explains what is wrong with it."""

import copy
from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import ValidationError

from omnia_core.jsonschema import SchemaInvalid, compile_schema
from omnia_core.jsonvalue import JsonObject, TooDeep, check_depth
from omnia_core.names import API_VERSION
from omnia_operator.api import maturity
from omnia_operator.api.agentruntime import AgentRuntime, AgentRuntimeSpec
from omnia_operator.api.findings import (
    InvalidResource,
    Path,
    ResourceFinding,
    Severity,
    explain_all,
    first,
    one_of,
)
from omnia_operator.api.promptpack import PromptPack
from omnia_operator.api.provider import Provider
from omnia_operator.api.renamed_fields import OLD_FIELDS
from omnia_operator.api.rolloutanalysis import RolloutAnalysis, faults
from omnia_operator.api.rules import violations
from omnia_operator.api.schema import resource_schema
from omnia_operator.api.sessionretentionpolicy import SessionRetentionPolicy
from omnia_operator.api.toolhandler import Tool
from omnia_operator.api.toolregistry import ToolRegistry

AnyResource = (
    AgentRuntime | PromptPack | ToolRegistry | Provider | SessionRetentionPolicy | RolloutAnalysis
)

_TYPES: dict[str, type[AnyResource]] = {
    resource.kind_name.value: resource
    for resource in (
        AgentRuntime,
        PromptPack,
        ToolRegistry,
        Provider,
        SessionRetentionPolicy,
        RolloutAnalysis,
    )
}


def parse(document: JsonObject) -> AnyResource:
    """Parse a resource.

    Raises:
        InvalidResource: the document breaks the resource's schema or one of its rules.
    """
    resource, errors = _read(document)
    if resource is None or errors:
        raise InvalidResource(errors)
    return resource


def parse_served(document: JsonObject) -> AnyResource:
    """Parse a resource that the API server serves, without the fields that are unknown here.

    While a newer version is rolled back, its resource definitions may still be there: the API
    server then adds the defaults of fields that this version does not have.

    Raises:
        InvalidResource: as `parse`.
    """
    try:
        return parse(document)
    except InvalidResource:
        unknown = _unknown_fields(document)
        if not unknown:
            raise
    known = copy.deepcopy(document)
    for path in unknown:
        _remove(known, path)
    return parse(known)


def findings(document: JsonObject) -> list[ResourceFinding]:
    """Return all findings about a document, errors first."""
    resource, errors = _read(document)
    if resource is None:
        return errors
    notes = maturity.notes(resource.kind_name, document)
    warnings = (ResourceFinding(path, text, Severity.WARNING) for path, text in notes)
    return [*errors, *first(warnings)]


def _read(document: JsonObject) -> tuple[AnyResource | None, list[ResourceFinding]]:
    errors = list(_identity(document))
    if errors:
        return None, errors
    resource_type = _TYPES[document["kind"]]
    try:
        resource = _validated(document)
    except TooDeep as error:
        return None, [ResourceFinding((), f"the document is {error}")]
    except orjson.JSONEncodeError as error:
        return None, [ResourceFinding((), f"the document cannot be written as JSON: {error}")]
    except ValidationError as error:
        schema = resource_schema(resource_type)
        return None, explain_all(error, schema, OLD_FIELDS[resource_type.kind_name])
    return resource, first(ResourceFinding(path, message) for path, message in _breaches(resource))


def _validated(document: JsonObject) -> AnyResource:
    """Validate the schema of a resource of a known kind.

    Raises:
        TooDeep: it has too many levels.
        JSONEncodeError: it is not JSON.
        ValidationError: it breaks the schema.
    """
    # As JSON, which the API server reads: keys are strings, and dates are text.
    text = orjson.dumps(document, default=str, option=orjson.OPT_NON_STR_KEYS)
    check_depth(text)
    # A field has its alias only: the API server does not know `secret_ref`.
    return _TYPES[document["kind"]].model_validate_json(text, by_alias=True, by_name=False)


def _unknown_fields(document: JsonObject) -> list[Path]:
    """Return the fields that the models do not have; none of a document that cannot be read."""
    if any(_identity(document)):
        return []
    try:
        _validated(document)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        return [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    except (TooDeep, orjson.JSONEncodeError):
        pass
    return []


def _remove(value: Any, path: Path) -> None:
    """Remove a field; steps of `path` that the document does not have name a type of pydantic."""
    *parents, field = path
    for step in parents:
        within = value if isinstance(value, dict) else range(len(value))
        if step in within:
            value = value[step]
    if isinstance(value, dict):
        value.pop(field, None)


def _identity(document: JsonObject) -> Iterator[ResourceFinding]:
    version, kind = document.get("apiVersion"), document.get("kind")
    if version != API_VERSION:
        yield ResourceFinding(("apiVersion",), one_of([API_VERSION], version))
    if not isinstance(kind, str) or kind not in _TYPES:
        yield ResourceFinding(("kind",), one_of(list(_TYPES), kind))


def _breaches(resource: AnyResource) -> Iterator[tuple[Path, str]]:
    yield from violations(resource)
    yield from _repeated_keys(resource)
    if isinstance(resource, RolloutAnalysis):
        yield from ((("spec", *path), message) for path, message in faults(resource.spec))
    for path, schema in _json_schemas(resource):
        try:
            compile_schema(schema)
        except SchemaInvalid as error:
            place = tuple(error.pointer.split("/")[1:])
            yield (*path, *place), f"this is not a valid JSON Schema: {error}"


def _json_schemas(resource: AnyResource) -> Iterator[tuple[Path, JsonObject]]:
    """Yield every JSON Schema in a resource."""
    owners: list[tuple[Path, AgentRuntimeSpec | Tool]] = []
    if isinstance(resource, AgentRuntime):
        owners = [(("spec",), resource.spec)]
    elif isinstance(resource, ToolRegistry):
        handlers = enumerate(resource.spec.handlers)
        owners = [(("spec", "handlers", i, "tool"), h.tool) for i, h in handlers if h.tool]
    for path, owner in owners:
        for name, schema in (
            ("inputSchema", owner.input_schema),
            ("outputSchema", owner.output_schema),
        ):
            if schema is not None:
                yield (*path, name), schema


def _repeated_keys(resource: AnyResource) -> Iterator[tuple[Path, str]]:
    """Yield duplicate keys in lists, which the API server refuses."""
    document = resource.model_dump(mode="json", by_alias=True, include={"spec"}, exclude_none=True)
    schema = resource_schema(type(resource))["properties"]["spec"]
    yield from _repeated(document["spec"], schema, ("spec",))


def _repeated(value: Any, schema: dict[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        for name, field in schema.get("properties", {}).items():
            if name in value:
                yield from _repeated(value[name], field, (*path, name))
    if isinstance(value, list):
        seen: set[str] = set()
        for index, item in enumerate(value):
            for key in schema.get("x-kubernetes-list-map-keys", []):
                if item[key] in seen:
                    yield (
                        (*path, index, key),
                        f"another entry has the {key} {item[key]}: rename one",
                    )
                seen.add(item[key])
            yield from _repeated(item, schema["items"], (*path, index))
