"""Generates the structural schema of a model, without references and nullable alternatives."""

import functools
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override  # typing has it from 3.12 on

from omnia_core.units import ByteSize, Duration
from omnia_operator.api.meta import Resource

Schema = dict[str, Any]

_FREE = "x-kubernetes-preserve-unknown-fields"
_MAP_TYPE = "x-kubernetes-map-type"


class _Generator(GenerateJsonSchema):
    @override
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        # An absent field is absent in Kubernetes, never null.
        return self.generate_inner(schema["schema"])

    @override
    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        generated = super().default_schema(schema)
        factory, value = schema.get("default_factory"), schema.get("default")
        if isinstance(factory, type) and issubclass(factory, BaseModel):
            # Whole, not empty: the API server checks rules before it completes a default.
            whole = factory().model_dump(mode="json", by_alias=True, exclude_none=True)
            generated = {**generated, "default": _without_empty(whole)}
        if isinstance(value, Duration | ByteSize):
            generated = {**generated, "default": str(value)}
        if generated.get("default", ...) in (None, [], ()):
            generated.pop("default")
        return generated


@functools.cache
def resource_schema(resource: type[Resource]) -> Schema:
    """Return the `openAPIV3Schema` of a custom resource."""
    generated = resource.model_json_schema(schema_generator=_Generator)
    schema = _structural(generated, generated.get("$defs", {}))
    schema["properties"]["metadata"] = {"type": "object"}
    schema["properties"]["apiVersion"] = {"type": "string"}
    schema["properties"]["kind"] = {"type": "string"}
    schema["required"] = ["spec"]
    return schema


def _without_empty(value: Schema) -> Schema:
    inside = {
        key: _without_empty(inner) if isinstance(inner, dict) else inner
        for key, inner in value.items()
    }
    return {key: inner for key, inner in inside.items() if inner not in ([], {})}


def _structural(schema: Schema, definitions: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is not None:
        target = definitions[reference.rsplit("/", 1)[1]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    result = {
        k: v for k, v in schema.items() if k not in {"$defs", "title", "additionalProperties"}
    }
    # Kubernetes has the bounds of OpenAPI 3.0, where the exclusive ones are flags.
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in result:
            result[bound.lower()] = result[f"exclusive{bound}"]
            result[f"exclusive{bound}"] = True
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if "properties" in result:
        result["properties"] = {
            name: _structural(value, definitions) for name, value in result["properties"].items()
        }
    if "items" in result:
        result["items"] = _structural(result["items"], definitions)
    result |= _open_ended(schema.get("additionalProperties", False), definitions)
    if result.get(_FREE):
        # The API server notes who owns each field of an object, in an object that is deeper than
        # it: without this a deep one could be stored, and then no object of the kind be listed.
        result[_MAP_TYPE] = "atomic"
    return result


def _open_ended(additional: Schema | bool, definitions: Schema) -> Schema:
    if isinstance(additional, bool):
        return {_FREE: True} if additional else {}
    return {"additionalProperties": _structural(additional, definitions)}
