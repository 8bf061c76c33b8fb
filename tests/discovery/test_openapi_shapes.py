"""What real OpenAPI documents write: each shape works, or costs its operation with a reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.errors import ConfigurationError
from omnia_core.jsonschema import compile_schema, compile_server_schema
from omnia_core.jsonvalue import JsonObject
from omnia_core.openapi import (
    ApiKey,
    Operation,
    ParameterLocation,
    build_request,
    decode_document,
    read_api,
)
from omnia_core.openapi.schemas import SchemaCache

WHERE = "https://shop.example/api/openapi.json"
TEXT: JsonObject = {"type": "string"}
ID: JsonObject = {"type": "object", "properties": {"id": {"type": "integer"}}}
FILE: JsonObject = {"type": "string", "format": "binary"}


def of(**properties: Any) -> JsonObject:
    return {"type": "object", "properties": properties}


def ref(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


def read(
    operation: JsonObject, path: str = "/x", schemas: JsonObject | None = None
) -> tuple[Operation | None, str]:
    """Return the operation, or the reason for which it is left out."""
    document = {
        "openapi": "3.1.0",
        "paths": {path: {"post": operation}},
        "components": {"schemas": schemas or {}},
    }
    api = read_api(json.dumps(document), WHERE)
    (operation_or_none,) = api.operations or (None,)
    return operation_or_none, "".join(omitted.reason for omitted in api.omitted)


def one(operation: JsonObject, path: str = "/x", schemas: JsonObject | None = None) -> Operation:
    found, reason = read(operation, path, schemas)
    assert found is not None, reason
    return found


@pytest.mark.parametrize(
    ("servers", "url"),
    [
        ([], "https://shop.example/x"),
        ([{"url": ""}], "https://shop.example/x"),
        ([{"url": None}], "https://shop.example/x"),
        ([{"url": "."}], "https://shop.example/api/x"),
        ([{"url": " https://a.example/v1/ "}], "https://a.example/v1/x"),
        (["https://a.example"], "https://a.example/x"),
        ({"url": "https://a.example"}, "https://a.example/x"),
        ([{"url": "//a.example/v1"}], "https://a.example/v1/x"),
        ([{"url": "https://a.example/v1?tenant=a"}], "https://a.example/v1/x?tenant=a&q=1"),
        ([{"url": "https://a.example/v1#top"}], "https://a.example/v1/x"),
        ([{"url": "https://bücher.example"}], "https://xn--bcher-kva.example/x"),
        ([{"url": "wss://a.example"}, {"url": "https://b.example"}], "https://b.example/x"),
        (
            [{"url": "https://{r}.a.example", "variables": {"r": {"enum": ["eu", "us"]}}}],
            "https://eu.a.example/x",
        ),
        (
            [{"url": "https://a.example:{p}", "variables": {"p": {"default": 8443}}}],
            "https://a.example:8443/x",
        ),
    ],
)
def test_a_server_is_read_as_it_is_meant(servers: Any, url: str) -> None:
    operation = one({"servers": servers, "parameters": [{"name": "q", "in": "query"}]})
    found = build_request(operation, {"q": 1}).url
    assert found == (url if "?" in url else f"{url}?q=1")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://{t}.a.example", "has a variable without a default: add it, or set baseURL"),
        ("wss://a.example", "is not an http or https URL: set baseURL"),
        ("localhost:8080/v1", "is not an http or https URL: set baseURL"),
        ("https://[x", "is not a URL: correct it, or set baseURL"),
    ],
)
def test_a_server_that_cannot_be_called_costs_its_operations(url: str, reason: str) -> None:
    server = {"url": url, "variables": {"t": {"default": None}}}
    assert reason in read({"servers": [server]})[1]


@pytest.mark.parametrize(
    ("parameter", "value", "sent"),
    [
        ({"in": "query", "content": {"text/plain": {"schema": TEXT}}}, "a b", "?p=a%20b"),
        ({"in": "query", "content": {"application/json": {}}}, "a", "?p=%22a%22"),
        (
            {"in": "query", "content": {"application/x-www-form-urlencoded": {}}},
            {"a": 1, "b": "x y"},
            "?p=a%3D1%26b%3Dx%2520y",
        ),
        ({"in": "query", "content": None, "schema": TEXT}, "a", "?p=a"),
        ({"in": "query", "schema": None}, ["a", "b"], "?p=a&p=b"),
        ({"in": "query", "style": None, "explode": None}, ["a", "b"], "?p=a&p=b"),
        ({"in": "query", "style": "csv"}, ["a", "b"], "?p=a,b"),
        ({"in": "query", "description": None, "required": "true"}, "a", "?p=a"),
        ({"in": "path", "required": True}, "a", ""),
    ],
)
def test_a_parameter_is_sent_as_it_is_meant(parameter: Any, value: Any, sent: str) -> None:
    operation = one({"parameters": [{"name": "p", **parameter}]})
    assert build_request(operation, {"p": value}).url == f"https://shop.example/x{sent}"
    # A path parameter that the path does not have is no argument.
    assert list(operation.input_schema["properties"]) == ["p"] * bool(sent)


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "TE", "Connection", "Accept-Encoding"]
)
def test_no_argument_changes_how_a_request_is_framed(name: str) -> None:
    operation = one({"parameters": [{"name": name, "in": "header", "schema": TEXT}]})
    assert operation.input_schema["properties"] == {}
    assert build_request(operation, {name: "0"}).headers == {}


def test_names_of_headers_have_no_case() -> None:
    both = [{"name": name, "in": "header", "schema": TEXT} for name in ("X-A", "x-a")]
    assert list(one({"parameters": both}).input_schema["properties"]) == ["x-a"]


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        (None, {}),
        ("string", {}),
        ({"type": None}, {}),
        ({"type": "any"}, {}),
        ({"type": "String"}, TEXT),
        ({"type": ["string", "file", None]}, {"type": ["string"]}),
        ({"type": "file"}, {}),
        ({**TEXT, "required": True}, TEXT),
        ({"required": ["a", 1, "a"]}, {"required": ["a"]}),
        ({"required": "a"}, {}),
        ({"properties": ["a"]}, {}),
        (of(a=None, b="text"), of(a={}, b={})),
        ({"items": [TEXT], "additionalItems": False}, {"prefixItems": [TEXT], "items": False}),
        ({"items": None}, {}),
        ({"additionalProperties": "false"}, {}),
        ({"oneOf": []}, {}),
        ({"anyOf": {"type": "string"}}, {}),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, None),
        ({"enum": []}, {}),
        ({"enum": "a,b"}, {}),
        ({**TEXT, "enum": [1, True, "a"]}, {**TEXT, "enum": ["1", "true", "a"]}),
        ({"type": "integer", "enum": ["1", "x"]}, {"type": "integer", "enum": [1, "x"]}),
        ({"type": "boolean", "enum": ["true"]}, {"type": "boolean", "enum": [True]}),
        ({"minimum": "0", "maximum": None, "minLength": -1, "maxLength": 1.5}, {}),
        ({"multipleOf": 0, "uniqueItems": "true", "minItems": "1"}, {}),
        ({"exclusiveMinimum": "true", "minimum": 0}, {"minimum": 0}),
        ({"exclusiveMaximum": True, "maximum": 5}, {"exclusiveMaximum": 5}),
        ({"title": 5, "description": ["a"], "deprecated": "yes", "format": 7}, {}),
        ({"examples": {"a": {"value": 1}}, "example": 2}, {"examples": [2]}),
        ({**TEXT, "pattern": "/^[a-z]+$/i"}, {**TEXT, "pattern": "(?i)^[a-z]+$"}),
        ({**TEXT, "pattern": "^/api/"}, {**TEXT, "pattern": "^/api/"}),
        (
            {"dependentRequired": {"a": "b", "c": ["d"]}},
            {"dependentRequired": {"a": [], "c": ["d"]}},
        ),
        ({"dependencies": {"a": ["b"]}, "contentSchema": {"$ref": "#/none"}}, {}),
        ({"$id": 5, "$dynamicRef": "#n", "$vocabulary": 5, "$comment": 5, "xml": 5}, {}),
        (
            {"const": {"$ref": "#/none"}, "default": None},
            {"const": {"$ref": "#/none"}, "default": None},
        ),
        ({"nullable": True, "$ref": "#/components/schemas/Id"}, {**ID, "type": ["object", "null"]}),
        ({"nullable": True, "type": "string", "enum": ["a"]}, None),
        ({"$ref": "#/components/schemas/Any", "title": "T"}, {"title": "T"}),
        ({"$ref": "#/components/schemas/My%20Id"}, ID),
        ({"$ref": "#/components/schemas/a~1b"}, ID),
        ({"$ref": "#/components/schemas/Part/properties/id"}, {"type": "integer"}),
    ],
)
def test_a_keyword_is_translated_or_costs_itself(schema: Any, written: JsonObject | None) -> None:
    schemas = {"Id": ID, "My Id": ID, "a/b": ID, "Any": True, "Part": ID}
    operation = one({"parameters": [{"name": "p", "in": "query", "schema": schema}]}, "/x", schemas)
    found = operation.input_schema["properties"]["p"]
    if written is not None:
        assert found == written
    compile_schema(operation.input_schema)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        # Alternatives that overlap.
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 1),
        # Parts that would refuse the fields of each other.
        (
            {"allOf": [ref("Closed"), of(b=TEXT) | {"additionalProperties": False}]},
            {"a": "1", "b": "2"},
        ),
        ({"allOf": [ref("Closed")], "properties": {"b": TEXT}}, {"a": "1", "b": "2"}),
        ({"allOf": [ref("Closed")], "additionalProperties": False}, {"a": "1"}),
        ({"allOf": [ref("Derived"), of(c=TEXT)]}, {"a": "1", "b": "2", "c": "3"}),
        ({"nullable": True, "allOf": [ref("Closed")]}, None),
        ({"type": "string", "nullable": True, "enum": ["a"]}, None),
        ({"type": "array", "items": ref("Tree")}, [{"children": [{"children": []}]}]),
    ],
)
def test_a_value_that_the_server_means_is_accepted(schema: JsonObject, value: Any) -> None:
    schemas = {
        "Closed": of(a=TEXT) | {"additionalProperties": False},
        "Derived": {
            "allOf": [ref("Closed"), of(b=TEXT) | {"additionalProperties": False}],
            "additionalProperties": False,
        },
        "Tree": of(children={"type": "array", "items": ref("Tree")}),
    }
    body = {"required": True, "content": {"application/json": {"schema": of(v=schema)}}}
    operation = one({"requestBody": body}, "/x", schemas)
    assert compile_schema(operation.input_schema).accepts({"v": value})
    assert (
        build_request(operation, {"v": value}).body
        == json.dumps({"v": value}, separators=(",", ":")).encode()
    )


def test_a_closed_part_alone_stays_closed() -> None:
    closed = of(a=TEXT) | {"additionalProperties": False}
    schema = {"allOf": [ref("Closed")], "description": "It."}
    operation = one(
        {"parameters": [{"name": "p", "in": "query", "schema": schema}]}, "/x", {"Closed": closed}
    )
    assert not compile_schema(operation.input_schema).accepts({"p": {"b": 1}})


def test_fields_of_the_schemas_that_extend_a_body_are_sent() -> None:
    pet = of(kind=TEXT) | {"discriminator": {"propertyName": "kind"}, "required": ["kind"]}
    cat = {"allOf": [ref("Pet"), of(meow={"type": "boolean"})]}
    body = {"required": True, "content": {"application/json": {"schema": ref("Pet")}}}
    operation = one({"requestBody": body}, "/x", {"Pet": pet, "Cat": cat})
    arguments = {"kind": "cat", "meow": True}
    assert compile_schema(operation.input_schema).accepts(arguments)
    assert build_request(operation, arguments).body == b'{"kind":"cat","meow":true}'


def test_a_property_that_is_read_only_by_its_reference_is_optional() -> None:
    line = of(id=ref("Id"), made={**TEXT, "readOnly": True}) | {"required": ["id", "made"]}
    schema = of(id=ref("Id"), name=TEXT, line=line) | {"required": ["id", "name"]}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    operation = one({"requestBody": body}, "/x", {"Id": {**TEXT, "readOnly": True}})
    assert list(operation.input_schema["properties"]) == ["id", "name", "line"]
    assert operation.input_schema["required"] == ["name"]
    assert list(operation.input_schema["properties"]["line"]["properties"]) == ["id"]
    assert not operation.input_schema["properties"]["line"].get("required")


@pytest.mark.parametrize(
    ("field", "encoding"),
    [
        (FILE, None),
        ({"type": "file"}, None),
        ({"type": "array", "items": FILE}, None),
        (ref("File"), None),
        ({"nullable": True, "allOf": [ref("File")]}, None),
        ({"anyOf": [FILE, {"type": "null"}]}, None),
        ({**TEXT, "contentMediaType": "image/png"}, None),
        ({}, {"contentType": "image/png, image/jpeg"}),
        (TEXT, {"contentType": "application/octet-stream"}),
    ],
)
def test_a_file_of_any_shape_is_no_argument(field: JsonObject, encoding: Any) -> None:
    media = {"schema": of(file=field, note=TEXT), "encoding": {"file": encoding}}
    body = {"required": True, "content": {"multipart/form-data": media}}
    operation = one({"requestBody": body}, "/x", {"File": FILE})
    assert list(operation.input_schema["properties"]) == ["note"]


def test_a_field_that_is_a_file_or_text_is_sent_as_text() -> None:
    media = {"schema": of(file={"anyOf": [FILE, TEXT]})}
    operation = one({"requestBody": {"required": True, "content": {"multipart/form-data": media}}})
    assert list(operation.input_schema["properties"]) == ["file"]


@pytest.mark.parametrize(
    "codec",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"],
)
def test_a_document_in_any_unicode_encoding_is_read(codec: str) -> None:
    for text in (
        '{"openapi": "3.1.0", "info": {"title": "é"}}',
        "openapi: 3.1.0\ninfo: {title: é}",
    ):
        assert decode_document(text.encode(codec)) == text
        assert read_api(decode_document(text.encode(codec)), WHERE).title == "é"


@pytest.mark.parametrize(
    ("content", "said"), [(b"{\xff}", "is not text in UTF-8"), (b"{\0\xd8", "in UTF-16-LE")]
)
def test_bytes_that_are_no_text_are_no_document(content: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        decode_document(content)


KEY = ApiKey("k", ParameterLocation.QUERY)


@pytest.mark.parametrize(
    ("schemes", "security", "key"),
    [
        ({"a": {"$ref": "#/components/securitySchemes/b"}}, [{"a": []}], KEY),
        ({"a": {"type": "apiKey", "in": "Query", "name": "k"}}, [{"a": []}], KEY),
        ({}, {"b": []}, KEY),
        ({}, [{}, {"b": []}], KEY),
        ({"a": {"type": "apiKey", "in": "header", "name": "bad name"}}, [{"a": []}], None),
        ({"a": {"type": "apiKey", "in": "query"}}, [{"a": []}], None),
        ({"a": {"type": "mutualTLS"}}, [{"a": []}], None),
        ({}, [{"nowhere": []}], None),
        ({}, "b", None),
    ],
)
def test_the_place_of_a_key_is_read_in_any_shape(
    schemes: JsonObject, security: Any, key: ApiKey | None
) -> None:
    schemes = {"b": {"type": "apiKey", "in": "query", "name": "k"}} | schemes
    document = {
        "openapi": "3.0.3",
        "paths": {"/x": {"get": {"security": security}}},
        "components": {"securitySchemes": schemes},
    }
    (operation,) = read_api(json.dumps(document), WHERE).operations
    assert operation.key == key


def test_a_method_may_be_written_in_any_case() -> None:
    paths = {"/x": {"GET": {"operationId": "a"}, "Post": {"operationId": "b"}, "x-get": {}}}
    api = read_api(json.dumps({"openapi": "3.0.3", "paths": paths}), WHERE)
    assert [(found.name, found.method) for found in api.operations] == [("a", "GET"), ("b", "POST")]


def test_characters_of_a_path_that_no_url_can_have_are_encoded() -> None:
    operation = one({"parameters": [{"name": "id", "in": "path"}]}, path='/a|b^c"d<e>`{id}\\')
    url = build_request(operation, {"id": "1"}).url
    assert url == "https://shop.example/a%7Cb%5Ec%22d%3Ce%3E%601%5C"


KEYWORDS = st.sampled_from(
    [
        *("type", "properties", "items", "required", "anyOf", "oneOf", "allOf", "not", "enum"),
        *("additionalProperties", "dependentRequired", "dependentSchemas", "patternProperties"),
        *("prefixItems", "if", "then", "else", "contains", "minContains", "uniqueItems", "const"),
        *("minimum", "exclusiveMinimum", "maxLength", "multipleOf", "format", "pattern", "title"),
        *("nullable", "readOnly", "discriminator", "default", "example", "examples", "$ref", "$id"),
        *("$anchor", "$dynamicRef", "$defs", "dependencies", "unevaluatedProperties", "a"),
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["object", "array", "string", "file", "a", "^a$", "#/components/schemas/A"])
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=4),
    max_leaves=20,
)


@given(SCHEMAS, SCHEMAS)
def test_whatever_a_schema_holds_its_operation_has_one_that_is_valid(
    schema: Any, component: Any
) -> None:
    parameters = [{"name": name, "in": "query", "schema": schema} for name in "pq"]
    operation, reason = read({"parameters": parameters}, "/x", {"A": component})
    if operation is None:
        assert "reference" in reason or "is defined by itself" in reason
        return
    skipped = compile_server_schema(operation.input_schema)[1]
    assert all("/pattern" in place for place in skipped)


class Counted(set[str]):
    """Counts how often it is asked."""

    asked = 0

    def __contains__(self, name: object) -> bool:
        self.asked += 1
        return super().__contains__(name)


def test_thousands_of_references_with_one_last_word_are_named_in_few_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache, taken = SchemaCache({}), Counted()
    monkeypatch.setattr(cache, "_taken", taken)
    references = [f"#/x/{number}/schema" for number in range(3000)]
    # Names that the others would get.
    references += [f"#/y/schema_{number}" for number in range(2, 3000, 7)]
    names = [cache.definition_name(reference) for reference in references[::-1]]
    assert len(set(names)) == len(references)
    assert [cache.definition_name(each) for each in references[::-1]] == names
    assert {"schema", "schema_3", "schema_2"} <= set(names)
    assert taken.asked < 3 * len(references)
