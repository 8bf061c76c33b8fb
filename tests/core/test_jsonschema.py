"""Schema checks, held against another implementation."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonschema import SchemaInvalid, compile_schema

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=6,
)
SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
    {"type": "array", "items": {"type": ["string", "null"], "maxLength": 2}, "maxItems": 2},
    {"anyOf": [{"type": "string", "pattern": "^a"}, {"type": "integer", "minimum": 3}]},
    {"$defs": {"x": {"const": "a"}}, "additionalProperties": {"$ref": "#/$defs/x"}},
]


@given(JSON, st.sampled_from(SCHEMAS))
def test_what_is_accepted_is_what_the_oracle_accepts(value: Any, schema: dict[str, Any]) -> None:
    compiled = compile_schema(schema)
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert compiled.accepts(value) is expected
    assert bool(compiled.violations(value)) is not expected


def test_a_violation_has_a_json_pointer_and_says_what_was_found() -> None:
    schema = compile_schema({"properties": {"a/b": {"items": {"type": "integer"}}}})
    assert [str(each) for each in schema.violations({"a/b": [1, "x"]})] == [
        '/a~1b/1: "x" is not of type "integer"'
    ]


def test_a_format_is_checked() -> None:
    assert not compile_schema({"format": "email"}).accepts("nobody")


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"type": "objekt"}, "/type"),
        ({"properties": {"a": {"minimum": "1"}}}, "/properties/a/minimum"),
        ({"pattern": "("}, "/pattern"),
        ({"$ref": "#/$defs/none"}, ""),
    ],
)
def test_a_schema_that_does_not_compile_names_the_place(
    schema: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(SchemaInvalid) as caught:
        compile_schema(schema)
    assert caught.value.pointer == pointer


def test_nothing_is_fetched() -> None:
    with pytest.raises(SchemaInvalid, match=r"put it under .*\$defs"):
        compile_schema({"$ref": "http://127.0.0.1:1/schema.json"})
