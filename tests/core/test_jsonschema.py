"""Schema checks, held against another implementation."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonschema import SchemaInvalid, compile_schema, compile_server_schema

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


DIALECTS = {
    "http://json-schema.org/draft-04/schema#": jsonschema.Draft4Validator,
    "http://json-schema.org/draft-06/schema": jsonschema.Draft6Validator,
    "https://json-schema.org/draft-07/schema#": jsonschema.Draft7Validator,
    "https://json-schema.org/draft/2019-09/schema": jsonschema.Draft201909Validator,
    "https://json-schema.org/draft/2020-12/schema": jsonschema.Draft202012Validator,
}
PAIR = {"items": [{"type": "number"}, {"type": "string"}], "additionalItems": False}


@pytest.mark.parametrize(
    ("first", "last", "schema", "values"),
    [
        (0, 3, PAIR, [[1, "a"], ["a"], [1, "a", 2]]),
        (0, 0, {"minimum": 1, "exclusiveMinimum": True}, [1, 2, 0]),
        (1, 4, {"exclusiveMinimum": 1}, [1, 2, 0]),
        (0, 2, {"$ref": "#/definitions/a", "definitions": {"a": {}}, "maxLength": 1}, ["ab"]),
        (3, 4, {"$ref": "#/$defs/a", "$defs": {"a": {}}, "maxLength": 1}, ["ab"]),
        (0, 2, {"dependencies": {"a": ["b"]}}, [{"a": 1}, {"a": 1, "b": 1}]),
        (4, 4, {"prefixItems": [{"type": "number"}], "items": False}, [[1], ["a"], [1, 2]]),
    ],
)
def test_the_dialect_is_the_one_that_the_schema_names(
    first: int, last: int, schema: dict[str, Any], values: list[Any]
) -> None:
    for uri, oracle in list(DIALECTS.items())[first : last + 1]:
        compiled = compile_schema({"$schema": uri, **schema})
        for value in values:
            assert compiled.accepts(value) is oracle(schema).is_valid(value), (uri, value)


@pytest.mark.parametrize("uri", [None, "https://schemas.example/own", ""])
def test_the_dialect_is_2020_12_when_none_that_is_known_is_named(uri: str | None) -> None:
    named = {} if uri is None else {"$schema": uri}
    compiled = compile_schema({**named, "prefixItems": [{"type": "number"}]})
    assert (compiled.accepts([1]), compiled.accepts(["a"])) == (True, False)
    with pytest.raises(SchemaInvalid):
        compile_schema({**named, **PAIR})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date-time", "2026-01-02T10:00:00"),
        ("date-time", "2026-01-02 10:00:00Z"),
        ("time", "10:00"),
        ("duration", "1h"),
        ("uri", "/orders/1"),
        ("hostname", "my_host"),
    ],
)
def test_a_format_that_servers_read_widely_is_theirs_to_check(name: str, value: str) -> None:
    schema = {"type": "string", "format": name}
    assert compile_server_schema(schema)[0].accepts(value)
    assert not compile_schema(schema).accepts(value)
    assert not compile_server_schema({"format": "email"})[0].accepts("x")


SLUG = {"type": "string", "pattern": r"^[\w-\.]+$"}


@pytest.mark.parametrize(
    ("schema", "skipped", "accepted", "refused"),
    [
        (
            {"properties": {"a/b": SLUG, "n": {"type": "integer"}}, "required": ["n"]},
            ["/properties/a~1b/pattern"],
            {"a/b": "?", "n": 1},
            {"n": "x"},
        ),
        (
            {"items": {"anyOf": [{**SLUG}, {**SLUG}]}},
            ["/items/anyOf/0/pattern"],
            ["?"],
            [1],
        ),
        (
            {"properties": {"a": SLUG, "b": {"pattern": "("}}, "enum": [SLUG, {"a": "?"}]},
            ["/properties/a/pattern", "/properties/b/pattern"],
            SLUG,
            {"a": 1},
        ),
        (
            {
                "patternProperties": {"(": {"type": "string"}, "^a": {"type": "integer"}},
                "additionalProperties": False,
            },
            ["/patternProperties/("],
            {"a": 1, "(": 2},
            {"a": "x"},
        ),
        ({"properties": {"patternProperties": {"type": 1}}}, ["/properties/patt"], {}, None),
        ({"not": {"patternProperties": {"(": {}}}}, ["/not/patternProperties/("], {}, None),
        ({"not": SLUG}, ["/not/pattern"], "a", None),
        ({"properties": {"p": {"$ref": "#/$defs/p"}}}, ["(root)"], {"p": 1}, None),
        ({"properties": {"p": {"$ref": "https://x.example/p"}}}, ["(root)"], {"p": 1}, None),
        ({"properties": {"p": {"required": True}}}, ["/properties/p/required"], {"p": 1}, None),
        ({"properties": {"pattern": {"type": 1}}}, ["/properties/pattern/type"], {}, None),
        ({"properties": {"pattern": 1}}, ["/properties/pattern"], {"pattern": 2}, None),
        ({"$schema": 5}, ["/$schema"], 1, None),
    ],
)
def test_the_schema_of_a_server_checks_what_of_it_compiles(
    schema: dict[str, Any], skipped: list[str], accepted: Any, refused: Any
) -> None:
    before = json.dumps(schema)
    compiled, places = compile_server_schema(schema)
    assert len(places) == len(skipped)
    for place, start in zip(places, skipped, strict=True):
        assert place.startswith(start), place
    assert compiled.accepts(accepted)
    assert refused is None or not compiled.accepts(refused)
    assert json.dumps(schema) == before, "the model is told the schema as the server wrote it"


LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    ("schema", "value", "says"),
    [
        ({"properties": {"a": {"type": "integer"}}}, {"a": LONG}, 'is not of type "integer"'),
        ({"additionalProperties": {"type": "integer"}}, {LONG: "x"}, 'is not of type "integer"'),
        ({"unevaluatedProperties": False}, {LONG: 1}, "unexpected"),
        ({"enum": ["a", LONG]}, LONG + "y", "xxx"),
        ({"allOf": [{"anyOf": [{"type": "string"}, {"type": "null"}]}] * 30}, {"a": LONG}, "fit"),
        ({"items": {"type": "integer"}}, ["x"] * 100_000, "integer"),
        ({"items": {"maxLength": 1}}, [LONG], "is longer than 1 character"),
        ({"anyOf": [{"items": {"type": "integer"}}] * 10}, ["x"] * 100_000, "fit"),
    ],
)
def test_violations_repeat_only_a_little_of_what_the_caller_sent(
    schema: dict[str, Any], value: Any, says: str
) -> None:
    found = compile_schema(schema).violations(value)
    assert 1 <= len(found) <= 20
    text = "; ".join(map(str, found))
    assert len(text) <= len(found) * 500
    assert says in text


def test_a_large_value_that_fits_has_no_violations() -> None:
    schema = {"anyOf": [{"items": {"type": "integer"}}, {"type": "string"}]}
    assert compile_schema(schema).violations([1] * 100_000) == []
    assert compile_schema({"items": {"type": "integer"}}).violations([1] * 100_000) == []


def test_an_ordinary_value_with_a_long_text_keeps_all_its_places() -> None:
    optional = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    schema = {"properties": {"text": {"type": "string"}, "a": optional, "b": optional}}
    found = compile_schema(schema).violations({"text": "x" * 50_000, "a": "?", "b": "?"})
    assert [each.pointer for each in found] == ["/a", "/b"]


@given(JSON, st.sampled_from(SCHEMAS[:3]), st.integers(1, 3000))
def test_what_is_too_large_to_list_is_refused_and_accepted_like_what_is_small(
    value: Any, schema: dict[str, Any], more: int
) -> None:
    compiled = compile_schema({"properties": {"value": schema}})
    large = {"value": value, "more": [None] * more}
    assert bool(compiled.violations(large)) is not compiled.accepts(large)


def test_a_schema_that_does_not_compile_repeats_only_a_little_of_itself() -> None:
    with pytest.raises(SchemaInvalid) as caught:
        compile_schema({"type": LONG})
    assert len(str(caught.value)) < 500
