"""Arguments in the wrong type are read as what they mean, and never changed when they fit."""

from typing import Any

import pytest

from omnia_core.jsonschema import compile_schema
from omnia_runtime.tools.coercion import coerce

INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
STRINGS = {"type": "array", "items": {"type": "string"}}
COLOUR = {"enum": ["Dark Blue", "red"]}
POINT = {"type": "object", "properties": {"x": INTEGER, "y": NUMBER}}


@pytest.mark.parametrize(
    ("schema", "given", "expected"),
    [
        (INTEGER, "12", 12),
        (INTEGER, " -3 ", -3),
        (INTEGER, "4.0", 4),
        (INTEGER, "4.5", "4.5"),
        (INTEGER, "twelve", "twelve"),
        (INTEGER, True, True),
        (NUMBER, "2.5", 2.5),
        (NUMBER, "1e3", 1000.0),
        (NUMBER, "7", 7),
        (NUMBER, "nan", "nan"),
        (BOOLEAN, "true", True),
        (BOOLEAN, "False", False),
        (BOOLEAN, "YES", True),
        (BOOLEAN, "no", False),
        (BOOLEAN, 1, True),
        (BOOLEAN, 0, False),
        (BOOLEAN, 2, 2),
        (BOOLEAN, "maybe", "maybe"),
        (POINT, '{"x": "1", "y": 2}', {"x": 1, "y": 2}),
        (POINT, {"x": "1", "z": "2"}, {"x": 1, "z": "2"}),
        (POINT, "{broken", "{broken"),
        (STRINGS, '["a", "b"]', ["a", "b"]),
        (STRINGS, "a", ["a"]),
        (STRINGS, "[not json", ["[not json"]),
        ({"type": "array", "items": INTEGER}, ["1", 2, "3"], [1, 2, 3]),
        ({"type": "array", "items": POINT}, '[{"x": "1"}]', [{"x": 1}]),
        (COLOUR, "darkblue", "Dark Blue"),
        (COLOUR, " RED", "red"),
        (COLOUR, "green", "green"),
        ({"enum": ["a", "A"]}, " a ", " a "),
        ({"type": ["integer", "null"]}, "5", 5),
        ({"anyOf": [INTEGER, {"type": "null"}]}, "5", 5),
        ({"anyOf": [INTEGER, STRINGS]}, "5", "5"),
        ({"type": ["string", "integer"]}, "5", "5"),
        ({"$ref": "#/$defs/count"}, "6", 6),
        ({"$ref": "#/$defs/loop"}, "6", "6"),
        ({"$ref": "#/$defs/a~1b~0c"}, "6", 6),
        ({"$ref": "#/$defs/absent"}, "6", "6"),
        ({"$ref": "other.json#/$defs/count"}, "6", "6"),
        ({"enum": ["red"], "anyOf": [INTEGER]}, " RED", "red"),
        ({"type": "integer", "anyOf": [STRINGS]}, "6", 6),
        ({"oneOf": [{"type": "null"}, NUMBER]}, "6", 6),
        ({"anyOf": [{"type": "null"}, POINT]}, '{"x": "1"}', {"x": 1}),
        ({"anyOf": [{"enum": ["red"]}, {"type": "null"}]}, "RED", "red"),
        ({"anyOf": "no list"}, "6", "6"),
        ({"anyOf": [True, {"type": "null"}]}, "6", "6"),
        ({"anyOf": [{"anyOf": [INTEGER]}, {"type": "null"}]}, "6", 6),
        ({"anyOf": [{"type": "string", "enum": ["red"]}, {"type": "null"}]}, "RED", "red"),
        ({"type": "string"}, 1, 1),
        ({"type": ["integer", "boolean"]}, 1, 1),
        ({"type": ["number", "boolean"]}, 1, 1),
        ({"type": ["string", "boolean"]}, 1, True),
        (STRINGS, "[" * 5000, ["[" * 5000]),
        (INTEGER, "1" * 18, int("1" * 18)),
        (INTEGER, "1" * 19, "1" * 19),
        (INTEGER, "+7", 7),
        (NUMBER, "-2.50", -2.5),
        (NUMBER, "1" * 19, float("1" * 19)),
        (NUMBER, "7.0", 7.0),
        (BOOLEAN, "1", True),
        (BOOLEAN, "0", False),
        (BOOLEAN, 1.0, 1.0),
        (BOOLEAN, True, True),
        ({"type": ["boolean", "array"], "items": INTEGER}, "yes", True),
        ({"type": ["object", "array"]}, "[1]", [1]),
        ({"type": ["object", "array"]}, '{"a": 1}', {"a": 1}),
        (POINT, "[1]", "[1]"),
        (STRINGS, '{"a": 1}', ['{"a": 1}']),
        ({"type": "array", "items": STRINGS}, [""], [""]),
        ({"properties": {"x": INTEGER}}, '{"x": "1"}', {"x": 1}),
        ({"type": "array"}, ["1"], ["1"]),
        ({"type": "array", "items": {"$ref": "#/$defs/count"}}, ["1"], [1]),
        ({"type": "object", "additionalProperties": INTEGER}, {"q": "1"}, {"q": 1}),
        ({"type": "future"}, "1", "1"),
        ({"type": ["future", "integer"]}, "1", 1),
        ({"type": "null"}, "null", "null"),
        ({"enum": "no list"}, "red", "red"),
        ({"enum": 5}, "red", "red"),
        ({"enum": ["red", "Red"]}, "red", "red"),
        ({"enum": [1, "red"]}, "1", "1"),
        ({"enum": [1, "red"]}, 1, 1),
        ({}, "7", "7"),
        (True, "8", "8"),
    ],
)
def test_an_argument_is_read_as_what_it_means(schema: Any, given: Any, expected: Any) -> None:
    definitions = {"count": INTEGER, "a/b~c": INTEGER, "loop": {"$ref": "#/$defs/loop"}}
    whole = {"type": "object", "properties": {"a": schema}, "$defs": definitions}
    result = coerce(whole, {"a": given})["a"]
    assert (result, type(result)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("schema", "empty", "kept"),
    [
        (INTEGER, "", False),
        (INTEGER, None, False),
        (COLOUR, "", False),
        (COLOUR, None, False),
        (POINT, None, False),
        (STRINGS, "", False),
        ({"type": "string"}, "", True),
        ({"type": "string"}, None, True),
        ({"type": ["integer", "null"]}, None, True),
        ({}, None, True),
        ({"properties": {"x": INTEGER}}, None, False),
        ({"anyOf": [INTEGER, {"type": "null"}]}, None, True),
        ({"anyOf": [INTEGER, {"type": "null"}]}, "", True),
        ({"anyOf": [INTEGER, STRINGS]}, "", True),
        ({"anyOf": [INTEGER]}, None, False),
        ({"$ref": "#/$defs/count"}, "", False),
        (INTEGER, 0, True),
        (BOOLEAN, False, True),
        (STRINGS, [], True),
    ],
)
def test_an_optional_argument_that_is_empty_is_left_out(
    schema: Any, empty: Any, kept: bool
) -> None:
    whole = {"type": "object", "properties": {"a": schema}, "$defs": {"count": INTEGER}}
    assert ("a" in coerce(whole, {"a": empty})) is kept
    assert "a" in coerce({**whole, "required": ["a"]}, {"a": empty})
    assert "a" in coerce({**whole, "properties": {}, "additionalProperties": schema}, {"a": empty})
    assert ("a" in coerce({**whole, "required": "a"}, {"a": empty})) is kept


@pytest.mark.parametrize(("references", "expected"), [(31, 6), (32, "6")])
def test_a_chain_of_31_references_is_followed(references: int, expected: object) -> None:
    chain: dict[str, Any] = {
        str(number): {"$ref": f"#/$defs/{number + 1}"} for number in range(1, references)
    }
    chain[str(references)] = INTEGER
    schema = {"properties": {"a": {"$ref": "#/$defs/1"}}, "$defs": chain}
    assert coerce(schema, {"a": "6"}) == {"a": expected}


def test_a_recursive_schema_is_followed_as_deep_as_the_arguments_go() -> None:
    node = {
        "type": "object",
        "properties": {"n": INTEGER, "next": {"$ref": "#/$defs/node"}},
        "additionalProperties": False,
    }
    schema = {"$ref": "#/$defs/node", **node, "$defs": {"node": node}}
    given = {"n": "1", "next": {"n": "2", "next": {"n": "3"}}}
    found = coerce(schema, given)
    assert found == {"n": 1, "next": {"n": 2, "next": {"n": 3}}}
    assert not compile_schema(schema).violations(found)
    assert given["n"] == "1"
