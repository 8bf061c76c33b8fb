"""The rules of the vendors for the tools of a request, written down from their errors and pages."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from omnia_core.jsonschema import SchemaInvalid, compile_schema
from omnia_runtime.ports.model import ToolSpec

_NAMES = {
    "claude": re.compile(r"[a-zA-Z0-9_-]{1,128}"),
    "gemini": re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"),
    "openai": re.compile(r"[a-zA-Z0-9_-]{1,64}"),
    "responses": re.compile(r"[a-zA-Z0-9_-]{1,64}"),
}
VENDORS = tuple(_NAMES)
_MOST_TOOLS = {"openai": 128, "responses": 128, "gemini": 512}
_LONGEST_DESCRIPTION = {"openai": 1024, "responses": 1024}
# Claude's rule for the names of top-level arguments.
_ARGUMENT = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_NOT_AT_THE_TOP = frozenset({"allOf", "anyOf", "enum", "not", "oneOf"})
_DATA = frozenset({"const", "default", "enum", "examples"})


def refusal(vendor: str, tools: Sequence[ToolSpec]) -> str | None:
    """Return why a vendor refuses a request with these tools; None if it accepts them."""
    if len(tools) > _MOST_TOOLS.get(vendor, len(tools)):
        return f"{len(tools)} tools"
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        return "the names of tools are not unique"
    for tool in tools:
        if found := next(_faults(vendor, tool), None):
            return f"{tool.name}: {found}"
    return None


def _faults(vendor: str, tool: ToolSpec) -> Iterator[str]:
    schema = tool.input_schema
    if not _NAMES[vendor].fullmatch(tool.name):
        yield "its name has other characters"
    if len(tool.description) > _LONGEST_DESCRIPTION.get(vendor, len(tool.description)):
        yield f"its description has {len(tool.description)} characters"
    if schema.get("type") != "object":
        yield f"its schema has the type {schema.get('type')}"
    if not isinstance(schema.get("properties"), dict):
        yield "its schema has no properties"
    if found := schema.keys() & _NOT_AT_THE_TOP:
        yield f"its schema has {', '.join(sorted(found))} at the top"
    for name in schema["properties"]:
        if not _ARGUMENT.fullmatch(name):
            yield f'the name of its argument "{name}" has other characters'
    if any(_is_array(inner) and "items" not in inner for inner in _schemas(schema)):
        yield "an array has no items"
    try:
        # It is a schema of draft 2020-12 whose references have targets.
        compile_schema(_without_patterns(schema))
    except SchemaInvalid as error:
        yield str(error)


def _schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Return all objects of a schema but those in data."""
    if isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if key not in _DATA:
                yield from _schemas(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _schemas(inner)


def _is_array(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "array" or (isinstance(kind, list) and "array" in kind)


def _without_patterns(value: Any) -> Any:
    """Return a schema without regular expressions, which vendors read in dialects of their own."""
    if isinstance(value, dict):
        return {
            key: _without_patterns(inner)
            for key, inner in value.items()
            if key not in ("pattern", "patternProperties") or not isinstance(inner, str | dict)
        }
    return [_without_patterns(inner) for inner in value] if isinstance(value, list) else value
