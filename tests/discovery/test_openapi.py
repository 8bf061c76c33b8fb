import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.errors import ConfigurationError
from omnia_core.jsonschema import compile_schema
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi import Operation, ParameterLocation, read_api
from omnia_core.openapi.api import tool_name, unique_names

WHERE = "https://shop.example/api/openapi.json"


def document(paths: JsonObject, **fields: object) -> str:
    return json.dumps({"openapi": "3.0.3", "info": {"title": "T"}, "paths": paths, **fields})


def one(operation: JsonObject, path: str = "/x", **fields: object) -> Operation:
    api = read_api(document({path: {"post": operation}}, **fields), WHERE)
    assert api.omitted == ()
    return api.operations[0]


def body(schema: JsonObject, *, required: bool = True) -> JsonObject:
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": required, "content": content}}


def query(name: str, schema: JsonObject, **fields: object) -> JsonObject:
    return {"name": name, "in": "query", "schema": schema, **fields}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("getPetByID", "get_pet_by_id"),
        ("HTTPServer.list", "http_server_list"),
        ("get /pets/{id}", "get_pets_id"),
        ("2fa", "op_2fa"),
        ("найти", ""),
    ],
)
def test_names_are_spelt_for_models(text: str, name: str) -> None:
    assert tool_name(text) == name


@given(st.lists(st.text(max_size=90)))
def test_names_are_valid_and_unique_and_always_the_same(texts: list[str]) -> None:
    names = unique_names(tool_name(each) or "operation" for each in texts)
    assert len(set(names)) == len(names) == len(texts)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,63}", each) for each in names)
    assert names == unique_names(tool_name(each) or "operation" for each in texts)


def test_an_operation_without_an_id_is_named_by_method_and_path() -> None:
    paths = {"/a-b/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "schema": {}}]}}}
    assert [each.name for each in read_api(document(paths), WHERE).operations] == ["get_a_b_id"]


def test_a_filter_does_not_change_names() -> None:
    paths = {f"/{n}": {"get": {"operationId": "same"}} for n in range(3)}
    api = read_api(document(paths), WHERE, only=["same_3"])
    assert [(each.name, each.path) for each in api.operations] == [("same_3", "/2")]


def test_arguments_of_the_same_name_are_prefixed_with_their_place() -> None:
    operation = one(
        {
            "parameters": [
                query("id", {"type": "string"}),
                {"name": "id", "in": "header", "schema": {"type": "string"}},
                {"name": "Authorization", "in": "header", "required": True, "schema": {}},
                {"name": "session", "in": "cookie", "schema": {}},
            ],
            **body({"type": "object", "properties": {"id": {}, "note": {}}, "required": ["id"]}),
        },
        path="/x",
    )
    found = [(each.argument, each.name, each.place) for each in operation.parameters]
    assert found == [
        ("id", "id", ParameterLocation.QUERY),
        ("header_id", "id", ParameterLocation.HEADER),
    ]
    assert operation.body is not None
    assert operation.body.fields == {"body_id": "id", "note": "note"}
    assert operation.input_schema["required"] == ["body_id"]


@pytest.mark.parametrize(
    "wanted",
    [
        body({"type": "array", "items": {"type": "integer"}}),
        body({"allOf": [{"type": "object"}], "properties": {"a": {}}}),
        body({"type": "object", "properties": {"a": {}}, "required": ["a"]}, required=False),
    ],
    ids=["list", "composed", "optional"],
)
def test_a_body_without_plain_fields_is_one_argument(wanted: JsonObject) -> None:
    operation = one(wanted)
    assert operation.body is not None
    assert operation.body.argument == "body"
    assert list(operation.input_schema["properties"]) == ["body"]


def test_schemas_of_3_0_are_written_as_json_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "nullable": True},
            "id": {"type": "string", "readOnly": True},
            "kind": {"type": "string", "enum": ["a"], "nullable": True, "example": "a"},
        },
        "required": ["id", "n"],
    }
    found = one(body({"type": "array", "items": schema})).input_schema["properties"]["body"]
    assert found["items"] == {
        "type": "object",
        "properties": {
            "n": {"type": ["integer", "null"], "exclusiveMinimum": 0},
            "kind": {"type": ["string", "null"], "enum": ["a", None], "examples": ["a"]},
        },
        "required": ["n"],
    }


def test_references_are_written_in_once_and_defined_when_used_again() -> None:
    schemas = {
        "Money": {"type": "integer"},
        "Line": {"type": "object", "properties": {"price": {"$ref": "#/components/schemas/Money"}}},
        "Node": {
            "type": "object",
            "properties": {
                "next": {"$ref": "#/components/schemas/Node"},
                "total": {"$ref": "#/components/schemas/Money"},
                "line": {"$ref": "#/components/schemas/Line", "description": "The line"},
            },
        },
    }
    whole = {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}
    schema = one(body(whole), components={"schemas": schemas}).input_schema
    assert set(schema["$defs"]) == {"Money", "Node"}
    assert schema["$defs"]["Node"]["properties"]["line"]["description"] == "The line"
    checked = compile_schema(schema)
    assert checked.accepts({"body": [{"next": {"next": {"total": 1}}}]})
    assert not checked.accepts({"body": [{"next": {"next": {"total": "much"}}}]})


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#/components/schemas/None"}, "has no target: add the target"),
        ({"$ref": "other.json#/Pet"}, "leads out of the document"),
        ({"$ref": "#/components/schemas/Loop"}, "is defined by itself"),
        ({"$ref": "#/components/schemas/Same"}, "is defined by itself"),
        ({"type": "file"}, "the schema of the arguments is invalid"),
    ],
)
def test_a_bad_operation_is_left_out_and_the_others_stay(schema: JsonObject, said: str) -> None:
    bad = {"operationId": "bad", "parameters": [query("q", schema)]}
    schemas = {
        "Loop": {"anyOf": [{"$ref": "#/components/schemas/Loop"}, {"type": "null"}]},
        "Same": {"$ref": "#/components/schemas/Same"},
    }
    paths = {"/good": {"get": {}}, "/bad": {"get": bad}}
    api = read_api(document(paths, components={"schemas": schemas}), WHERE)
    assert [each.name for each in api.operations] == ["get_good"]
    assert api.omitted[0].operation == "bad"
    assert said in api.omitted[0].reason
    assert api.omitted[0].reason.startswith(("GET /bad", "#/components/schemas/"))


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ({"parameters": [{"name": "c", "in": "cookie", "required": True}]}, 'the cookie "c"'),
        ({"requestBody": {"required": True, "content": {"text/xml": {}}}}, "tools send JSON"),
        ({"parameters": [{"in": "query"}]}, "the name is missing"),
    ],
)
def test_what_a_tool_cannot_send_is_said(operation: JsonObject, said: str) -> None:
    api = read_api(document({"/x": {"post": operation}}), WHERE)
    assert said in api.omitted[0].reason


def test_a_path_with_an_unknown_parameter_is_left_out() -> None:
    api = read_api(document({"/x/{id}": {"get": {}}}), WHERE)
    assert "{id} of the path is not described" in api.omitted[0].reason


@pytest.mark.parametrize(
    ("servers", "base", "url"),
    [
        ([], None, "https://shop.example/x"),
        ([{"url": "v2"}], None, "https://shop.example/api/v2/x"),
        (
            [{"url": "https://{region}.example/", "variables": {"region": {"default": "eu"}}}],
            None,
            "https://eu.example/x",
        ),
        ([{"url": "https://other.example"}], "http://near:80/", "http://near:80/x"),
    ],
)
def test_the_address_comes_from_the_servers(
    servers: list[JsonObject], base: str | None, url: str
) -> None:
    api = read_api(document({"/x": {"get": {}}}, servers=servers), WHERE, base=base)
    assert api.operations[0].url == url


def test_yaml_keeps_dates_as_text_and_numbers_as_keys() -> None:
    text = """
openapi: 3.1.0
paths:
  /x:
    get:
      responses: {200: {description: ok}}
      parameters: [{name: since, in: query, schema: {type: string, default: 2026-01-31}}]
"""
    api = read_api(text, WHERE)
    assert api.operations[0].input_schema["properties"]["since"]["default"] == "2026-01-31"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [*a]\nopenapi: 3.1.0", "neither JSON nor YAML"),
        ("openapi: 3.1.0\n  x: ]", "line 2"),
        ("[]", "no field"),
        ('{"openapi": "3.1.0", "paths": [1]}', '"paths" has to be an object'),
    ],
)
def test_what_is_no_document_is_an_error_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_api(text, WHERE)
    assert caught.value.message.startswith(WHERE)


def test_a_document_that_is_nested_without_measure_is_refused() -> None:
    schema = '{"items":' * 3000 + "{}" + "}" * 3000
    parameter = f'[{{"name": "q", "in": "query", "schema": {schema}}}]'
    text = f'{{"openapi": "3.1.0", "paths": {{"/x": {{"get": {{"parameters": {parameter}}}}}}}}}'
    with pytest.raises(ConfigurationError):
        read_api(text, WHERE)
