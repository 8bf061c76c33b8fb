import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

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
        ("get pet by ID", "get_pet_by_id"),
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


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("getPetByID", "getPetByID"),
        ("get-pet_2", "get-pet_2"),
        ("2fa", "2fa"),
        ("x" * 64, "x" * 64),
        ("pets/get", "pets_get"),
        ("Pets.getByID", "pets_get_by_id"),
        ("найти", "get_x"),
        ("", "get_x"),
    ],
)
def test_an_operation_id_that_is_a_legal_name_stays_as_it_is(given: str, name: str) -> None:
    paths = {"/x": {"get": {"operationId": given}}}
    for only in ([], [name], [given or name], [tool_name(given) or name]):
        api = read_api(document(paths), WHERE, only=only)
        assert ([each.name for each in api.operations], api.omitted) == ([name], ())


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
        ("session", "session", ParameterLocation.COOKIE),
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
        ({"requestBody": {"required": True, "content": {"text/xml": {}}}}, "found text/xml"),
        ({"requestBody": {"content": {"text/xml": {}, "image/png": {}}}}, "tools send JSON"),
        ({"requestBody": {"content": 5}}, "its content has to be an object"),
        ({"requestBody": {"required": True, "content": {}}}, "found nothing"),
        ({"parameters": {"name": "q"}}, "have to be a list"),
        ({"parameters": [{"name": "X: y", "in": "header"}]}, "no header can have the name"),
        ({"parameters": [{"name": "q", "in": ["query"]}]}, '"in" has to be'),
        ({"servers": [{"url": "http://[x"}]}, "is not a URL"),
        ({"parameters": [{"in": "query"}]}, "the name is missing"),
    ],
)
def test_what_a_tool_cannot_send_is_said(operation: JsonObject, said: str) -> None:
    api = read_api(document({"/x": {"post": operation}}), WHERE)
    assert said in api.omitted[0].reason


@pytest.mark.parametrize(
    ("path", "node", "said"),
    [
        ("/bad", None, "an object is expected here"),
        ("/bad", "text", "an object is expected here"),
        ("/bad", {"$ref": "./paths/bad.yaml"}, "leads out of the document"),
        ("/bad", {"$ref": "#/components/pathItems/None"}, "has no target"),
        ("/bad", {"$ref": "#/paths/~1bad"}, "leads back to itself"),
        ("bad", {"get": {}}, "has to begin with /"),
    ],
)
def test_a_path_that_cannot_be_read_costs_its_own_operations(
    path: str, node: object, said: str
) -> None:
    api = read_api(document({path: node, "/good": {"get": {}}}), WHERE)
    assert [each.name for each in api.operations] == ["get_good"]
    assert [each.operation for each in api.omitted] == [path]
    assert said in api.omitted[0].reason
    assert read_api(document({path: node, "/good": {"get": {}}}), WHERE, only=["get_good"]) == (
        structs.replace(api, omitted=())
    )


def test_an_operation_that_is_no_object_is_named() -> None:
    api = read_api(document({"/x": {"get": None, "put": {}, "summary": "s"}}), WHERE)
    assert [each.name for each in api.operations] == ["put_x"]
    assert [each.operation for each in api.omitted] == ["GET /x"]


NODE = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["", "x", "object", "#/x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["$ref", "type", "x", "properties"]), inner, max_size=2)
    ),
    max_leaves=4,
)
WHOLE: JsonObject = {
    "parameters": [{"name": "p", "in": "query", "schema": {"$ref": "#/components/schemas/A"}}],
    "operationId": "whole",
    "summary": "s",
    "description": "d",
    "servers": [{"url": "https://{a}.x", "variables": {"a": {"default": "b"}}}],
    "security": [{"key": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["a"],
                    "properties": {"a": {"type": "string", "readOnly": True}, "b": {"enum": [1]}},
                    "additionalProperties": True,
                },
                "encoding": {"a": {"style": "form", "explode": True}},
            }
        },
    },
}


@given(st.data(), NODE)
def test_whatever_an_operation_holds_the_other_stays(data: st.DataObject, junk: object) -> None:
    bad = copy.deepcopy(WHOLE)
    node: Any = {"get": bad}
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else [0]))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        node = inner
    node[key] = junk
    components = {
        "schemas": {"A": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "p"}},
    }
    paths = {"/bad": {"get": bad}, "/good": {"get": {"operationId": "good"}}}
    api = read_api(document(paths, components=components), WHERE)
    assert "good" in [each.name for each in api.operations]
    assert len(api.operations) + len(api.omitted) in (1, 2)


def test_a_schema_is_as_good_in_every_operation_that_uses_it() -> None:
    """Operations share what is known of a schema."""
    pair = [query(name, {"$ref": "#/components/schemas/Bad"}) for name in ("a", "b")]
    good = [query(name, {"$ref": "#/components/schemas/Good"}) for name in ("a", "b")]
    schemas = {"Bad": {"items": {"$ref": "#/None"}}, "Good": {"type": "string", "pattern": "("}}
    paths: JsonObject = {
        f"/{number}": {"get": {"parameters": pair}, "put": {"parameters": good}}
        for number in range(3)
    }
    api = read_api(document(paths, components={"schemas": schemas}), WHERE)
    assert [each.name for each in api.operations] == ["put_0", "put_1", "put_2"]
    assert [each.operation for each in api.omitted] == ["GET /0", "GET /1", "GET /2"]
    for operation in api.operations:
        assert operation.input_schema["$defs"] == {"Good": schemas["Good"]}


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


YAML = """
openapi: 3.1.0
paths:
  /x:
    get:
      responses: {200: {description: ok}}
      parameters: [{name: q, in: query, schema: {default: %s}}]
"""


# The examples of YAML 1.2 beside those that YAML 1.1 reads as something else.
@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        *((text, text) for text in ("no", "NO", "on", "Off", "yes", "y", "n", "Yes")),
        *((text, text) for text in ("1_000", "12:30", "190:20:30", "0b11", "2026-01-31", "=")),
        *((text, text) for text in ("2026-01-31T10:00:00Z", "tRUE", "nULL", ".inf", ".NaN")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *((text, None) for text in ("null", "Null", "NULL", "~")),
        ("010", 10),
        ("0o10", 8),
        ("0xff", 255),
        ("-7", -7),
        ("+7", 7),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5E-3", -0.0015),
        ("1.2.3", "1.2.3"),
        ("'7'", "7"),
    ],
)
def test_yaml_is_read_as_1_2_says(scalar: str, value: object) -> None:
    found = read_api(YAML % scalar, WHERE).operations[0].input_schema["properties"]["q"]["default"]
    assert (found, type(found)) == (value, type(value))


def test_yaml_has_a_key_without_value_and_a_merge_key() -> None:
    text = YAML.replace("paths:", "x: &x {name: q, in: query}\ny:\npaths:") % "1"
    api = read_api(text.replace("{name: q, in: query,", "{<<: *x,"), WHERE)
    assert list(api.operations[0].input_schema["properties"]) == ["q"]


MERGED = "openapi: 3.0.0\na0: &a0 {x: y}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 20)
)
"""Merge keys that repeat nine times what the line before them says."""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [*a]\nopenapi: 3.1.0", "is inside the value that it repeats"),
        ('{"openapi": "3.1.0", "x": [' + "1," * 1_000_000 + "1]}", "more than 1,000,000 values"),
        ("openapi: 3.1.0\nx: " + "y" * (5 << 20), "convert the document to JSON"),
        ("openapi: 3.1.0\nx: " + "[" * 60_000, "line 2: it is nested deeper than 200 levels"),
        ('{"openapi": "3.1.0", "x": ' + "[" * 600_000, "nested deeper than 200 levels"),
        ("openapi: 3.1.0\nx: [" + "a," * 600_000 + "]", "line 2: it has more than 500,000 values"),
        (MERGED, "line 8: it has more than 500,000 values, counted again at each alias"),
        ("openapi: 3.1.0\n  x: ]", "line 2"),
        ("[]", "no field"),
        ('{"openapi": "3.1.0", "paths": [1]}', '"paths" has to be an object'),
    ],
)
def test_what_is_no_document_is_an_error_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_api(text, WHERE)
    assert caught.value.message.startswith(WHERE)


def test_schemas_that_are_nested_without_measure_cost_the_document() -> None:
    schema = '{"items":' * 3000 + "{}" + "}" * 3000
    parameter = f'[{{"name": "q", "in": "query", "schema": {schema}}}]'
    text = f'{{"openapi": "3.1.0", "paths": {{"/x": {{"get": {{"parameters": {parameter}}}}}}}}}'
    with pytest.raises(ConfigurationError, match="nested deeper than 200 levels"):
        read_api(text, WHERE)
