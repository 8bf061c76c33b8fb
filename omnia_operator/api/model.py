"""The base of all resource models, and the scalar types that their fields share."""

import json
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from omnia_core.jsonvalue import JsonObject
from omnia_core.units import BYTE_SIZE_PATTERN, DURATION_PATTERN, ByteSize, Duration
from omnia_operator.api.rules import rules_of

_SPELLINGS = {"url": "URL", "ttl": "TTL", "cpu": "CPU", "api": "API", "ca": "CA", "1k": "1K"}


def field_name(name: str) -> str:
    """Spell a field as Kubernetes does: `public_url` is `publicURL`."""
    first, *rest = name.split("_")
    return first + "".join(_SPELLINGS.get(word, word.capitalize()) for word in rest)


class Model(BaseModel):
    """A part of a resource: camel case in documents, frozen, without unknown fields or coercion."""

    model_config = ConfigDict(
        alias_generator=field_name,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        entries = [rule.render() for rule in rules_of(cls)]
        if entries:
            schema["x-kubernetes-validations"] = entries
        return schema


class Passthrough(Model):
    """A value of the Kubernetes API that is passed on: only the fields that we use are checked."""

    model_config = ConfigDict(extra="allow")

    def render(self) -> JsonObject:
        """Return the value as it was written."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _duration(value: object) -> object:
    if isinstance(value, Duration):
        return value
    number = _is_number(value) or (isinstance(value, str) and value.isdecimal())
    if isinstance(value, str) and not number:
        return Duration.parse(value)
    unit = f'; write a unit, such as "{value}s"' if number else ""
    expected = 'expected a duration such as "30s", "5m" or "1h30m"'
    raise ValueError(f"{expected}, found {_found(value)}{unit}")


def _byte_size(value: object) -> object:
    if isinstance(value, ByteSize):
        return value
    if isinstance(value, str):
        return ByteSize.parse(value)
    quoted = f'; put it in quotes, "{value}"' if _is_number(value) else ""
    expected = 'expected a size such as "10Mi", "512k" or "1048576"'
    raise ValueError(f"{expected}, found {_found(value)}{quoted}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _found(value: object) -> str:
    """Return a value for a message."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return "nothing" if value is None else json.dumps(value)


DurationField = Annotated[
    Duration,
    BeforeValidator(_duration),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "maxLength": 32}),
]
ByteSizeField = Annotated[
    ByteSize,
    BeforeValidator(_byte_size),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": BYTE_SIZE_PATTERN, "maxLength": 32}),
]

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
SEMANTIC_VERSION = (
    r"^v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
)
TOOL_NAME = r"^[a-z][a-z0-9_]*$"
HTTP_URL = r"^https?://[^\s]+$"
ABSOLUTE_PATH = r"^/"

Label = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
Version = Annotated[str, Field(max_length=128, pattern=SEMANTIC_VERSION)]
HttpUrl = Annotated[str, Field(max_length=2048, pattern=HTTP_URL)]
AbsolutePath = Annotated[str, Field(max_length=1024, pattern=ABSOLUTE_PATH)]
Text = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[int, Field(ge=0, le=100)]


def list_map(*keys: str) -> JsonObject:
    """Mark a list whose items are identified by `keys`: merged by key, without duplicates."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
