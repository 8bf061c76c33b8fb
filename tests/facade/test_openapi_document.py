"""The function's own OpenAPI document: valid, true, and for those who may know."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from omnia_core.files.function import FunctionFile
from omnia_core.jsonschema import compile_schema
from omnia_core.jsonvalue import JsonObject
from omnia_facade.functions.embedding import embed_schema
from omnia_facade.functions.errors import STATUS
from omnia_facade.functions.openapi import openapi_document
from tests.facade.conftest import Running
from tests.facade.functions_bed import INPUT, OUTPUT, PATH, FunctionRuntime, call, function

TREE: JsonObject = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"$ref": "#/$defs/na~1me%25"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "$ref": {"const": {"$ref": "#/not/a/reference"}},
            },
            "unevaluatedProperties": False,
        },
        "na/me%": {"type": "string", "minLength": 2},
    },
}
NAMED: JsonObject = {
    "$id": "https://example.com/person",
    "$defs": {
        "name": {"$anchor": "name", "type": "string", "minLength": 2},
        "pet": {
            "$id": "pet",
            "type": "object",
            "properties": {"name": {"$ref": "#name"}, "owner": {"$ref": "person#name"}},
            "$defs": {"short": {"$anchor": "name", "type": "string", "maxLength": 3}},
        },
    },
    "type": "object",
    "properties": {
        "name": {"$ref": "#name"},
        "pet": {"$ref": "https://example.com/pet"},
        "child": {"$ref": "#"},
    },
    "additionalProperties": False,
}
DYNAMIC: JsonObject = {
    "$id": "urn:example:list",
    "$dynamicAnchor": "item",
    "type": "object",
    "properties": {"more": {"type": "array", "items": {"$dynamicRef": "#item"}}},
    "additionalProperties": False,
}
EMBEDDED: dict[str, tuple[JsonObject, list[Any]]] = {
    "definitions that refer to themselves": (
        TREE,
        [
            {"name": "ab", "children": [{"name": "cd"}]},
            {"name": "ab", "children": [{"name": "c"}]},
            {"name": "ab", "$ref": {"$ref": "#/not/a/reference"}},
            {"name": "ab", "$ref": 1},
            {"name": "ab", "x": 1},
        ],
    ),
    "names and anchors": (
        NAMED,
        [
            {"name": "ab", "pet": {"name": "abc", "owner": "ab"}, "child": {"name": "cd"}},
            {"name": "a"},
            {"pet": {"name": "abcd"}},
            {"pet": {"owner": "a"}},
            {"child": {"child": {"name": "a"}}},
        ],
    ),
    "a dynamic anchor": (DYNAMIC, [{"more": [{"more": []}]}, {"more": [{"x": 1}]}, {"x": 1}]),
    "the whole by itself": ({"items": {"$ref": "#"}, "type": "array"}, [[], [[[]]], [1]]),
}


def whole(file: FunctionFile, *, public: bool = False) -> JsonObject:
    return openapi_document(file, public=public)


@pytest.mark.parametrize(("schema", "values"), EMBEDDED.values(), ids=EMBEDDED.keys())
def test_a_schema_means_the_same_where_it_is_embedded(
    schema: JsonObject, values: list[Any]
) -> None:
    made = whole(FunctionFile("f", schema, schema))
    OpenAPIV31SpecValidator(made).validate()
    alone = compile_schema(schema)
    accepted = [alone.accepts(value) for value in values]
    for name in ("Input", "Output"):
        pointed = {**made, "$ref": f"#/components/schemas/{name}"}
        inside = jsonschema_rs.Draft202012Validator(pointed)
        assert [inside.is_valid(value) for value in values] == accepted
    assert {True, False} == set(accepted)


REF: JsonObject = {"$ref": "#/$defs/a"}
MOVED: JsonObject = {"$ref": "#/p/$defs/a"}
ONE = (
    "additionalProperties contains contentSchema else if items not propertyNames then"
    " unevaluatedItems unevaluatedProperties"
)


@pytest.mark.parametrize(
    ("schema", "embedded"),
    [
        *[({keyword: REF}, {keyword: MOVED}) for keyword in ONE.split()],
        *[
            ({keyword: [REF, True, REF]}, {keyword: [MOVED, True, MOVED]})
            for keyword in ("allOf", "anyOf", "oneOf", "prefixItems")
        ],
        *[
            ({keyword: {"x": REF, "not": REF}}, {keyword: {"x": MOVED, "not": MOVED}})
            for keyword in (
                "$defs",
                "definitions",
                "dependentSchemas",
                "patternProperties",
                "properties",
            )
        ],
        *[
            ({keyword: data}, {keyword: data})
            for keyword, data in (
                ("const", {"a": REF}),
                ("default", REF),
                ("enum", [REF, {"not": REF}]),
                ("examples", [REF]),
                ("x-data", {"a": REF}),
            )
        ],
        (
            {"$dynamicRef": "#a", "$ref": "#/$defs/b", "$defs": {"x": {"$dynamicAnchor": "a"}}},
            {"$defs": {"x": {}}, "$ref": "#/p/$defs/b", "allOf": [{"$ref": "#/p/$defs/x"}]},
        ),
        ({"$ref": "#/$defs/a!$&'()*+,;=:@-._~1"}, {"$ref": "#/p/$defs/a!$&'()*+,;=:@-._~1"}),
        ({"$ref": "#/$defs/a%22%C3%A4"}, {"$ref": "#/p/$defs/a%22%C3%A4"}),
        ({"$ref": "#unknown"}, {"$ref": "#unknown"}),
        ({"$ref": "#"}, {"$ref": "#/p"}),
        ({"$id": "https://e.example/a", "$schema": "s", "$ref": "b#/c"}, {"$ref": "b#/c"}),
    ],
)
def test_references_are_rewritten_in_schemas_and_not_in_data(
    schema: JsonObject, embedded: JsonObject
) -> None:
    found = embed_schema(schema, "#/p")
    both = {"$ref", "allOf"} <= found.keys()
    references = sorted([found["$ref"], found["allOf"][0]["$ref"]]) if both else None
    if references is None:
        assert found == embedded
    else:
        # Which of two references stays outside has no meaning.
        assert references == ["#/p/$defs/b", "#/p/$defs/x"]
        assert found["$defs"] == embedded["$defs"]


def test_the_whole_document_is_as_it_was_published() -> None:
    schema: JsonObject = {"type": "object"}
    published = json.loads((Path(__file__).parent / "data" / "openapi.json").read_text("utf-8"))
    assert whole(FunctionFile("sum", schema, schema)) == published


@pytest.mark.parametrize("public", [True, False])
def test_the_document_says_how_to_call(*, public: bool) -> None:
    made = whole(FunctionFile("Sum", INPUT, OUTPUT), public=public)
    assert (made["openapi"], made["info"]) == ("3.1.1", {"title": "sum", "version": "1"})
    assert made["servers"] == [{"url": "/"}]
    (operation,) = made["paths"]["/functions/sum"].values()
    assert (operation["operationId"], operation["summary"]) == ("call", "Call sum")
    body = operation["requestBody"]
    assert body["required"] is True
    schema = {"$ref": "#/components/schemas/Input"}
    assert body["content"] == {"application/json": {"schema": schema}}
    success = operation["responses"]["200"]
    assert success["description"] == "The output, which satisfies its schema."
    names = ["X-Invocation-Id", "Idempotency-Replayed", "Preference-Applied"]
    assert list(success["headers"]) == names
    assert list(operation["responses"]["405"]["headers"]) == [*names, "Allow"]
    assert list(operation["responses"]["503"]["headers"]) == [*names, "Retry-After"]
    headers = {name for each in operation["responses"].values() for name in each["headers"]}
    assert headers <= set(made["components"]["headers"])
    credential = {"credential": {"type": "http", "scheme": "bearer"}}
    assert made["components"].get("securitySchemes") == (None if public else credential)
    assert made["security"] == ([] if public else [{"credential": []}])


def test_a_status_with_one_error_has_no_alternatives() -> None:
    made = whole(FunctionFile("f", INPUT, OUTPUT))
    responses = made["paths"]["/functions/f"]["post"]["responses"]
    codes = [str(status) for code, status in STATUS.items() if code != "missing_function_name"]
    for number, response in responses.items():
        schema = response["content"]["application/json"]["schema"]
        assert ("oneOf" in schema) is (codes.count(number) > 1)


def test_a_reference_that_leads_elsewhere_stays() -> None:
    meta = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    assert embed_schema(meta, "#/a") == meta


@pytest.mark.parametrize("public", [True, False])
def test_the_document_is_valid_and_has_every_status_of_the_table(*, public: bool) -> None:
    made = whole(FunctionFile("f", INPUT, OUTPUT), public=public)
    OpenAPIV31SpecValidator(made).validate()
    responses = made["paths"]["/functions/f"]["post"]["responses"]
    elsewhere = {404, *([401] if public else [])}
    assert set(map(int, responses)) == {200, *STATUS.values()} - elsewhere
    del responses["200"]
    for number, response in responses.items():
        schema = response["content"]["application/json"]["schema"]
        errors = schema.get("oneOf", [schema])
        assert {each["properties"]["error"]["const"] for each in errors} == {
            code
            for code, status in STATUS.items()
            if str(status) == number and code != "missing_function_name"
        }
    assert bool(made["security"]) is not public


@pytest.fixture
async def facade(tmp_path: Path) -> AsyncIterator[Running]:
    async with function(FunctionRuntime(), tmp_path) as served:
        yield served


def resolved(made: Mapping[str, Any], schema: JsonObject) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**made, **schema})


async def test_it_is_served_and_describes_what_the_function_answers(facade: Running) -> None:
    got = await call(facade, method="GET", path="/openapi.json")
    assert got.status == 200
    assert got.headers["Content-Type"].startswith("application/json")
    made = got.body
    assert list(made["paths"]) == [PATH]
    responses = made["paths"][PATH]["post"]["responses"]
    for body in ({"text": "x"}, {"text": 1}):
        answer = await call(facade, body)
        described = responses[str(answer.status)]
        schema = described["content"]["application/json"]["schema"]
        assert resolved(made, schema).is_valid(answer.body)
        assert "X-Invocation-Id" in described["headers"]


async def test_who_may_not_call_may_not_read_it(tmp_path: Path) -> None:
    async with function(FunctionRuntime(), tmp_path, allow_unauthenticated=False) as facade:
        answer = await call(facade, method="GET", path="/openapi.json")
    assert (answer.status, answer.body["error"]) == (401, "unauthorized")
