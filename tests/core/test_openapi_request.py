"""The arguments of a tool become the request that an OpenAPI document describes."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.openapi import (
    ApiKey,
    ArgumentUnusable,
    Operation,
    ParameterLocation,
    build_request,
    read_api,
)
from omnia_core.openapi.styles import header_text, path_text, query_pairs

COLOURS = ["blue", "black", "brown"]
RGB = {"R": 100, "G": 200, "B": 150}


# The tables of OpenAPI 3.1, "Style Examples", with the marks of RFC 6570.
@pytest.mark.parametrize(
    ("style", "explode", "empty", "text", "array", "record"),
    [
        ("simple", False, "", "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("simple", True, "", "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("label", False, ".", ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("label", True, ".", ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        (
            "matrix",
            False,
            ";color",
            ";color=blue",
            ";color=blue,black,brown",
            ";color=R,100,G,200,B,150",
        ),
        (
            "matrix",
            True,
            ";color",
            ";color=blue",
            ";color=blue;color=black;color=brown",
            ";R=100;G=200;B=150",
        ),
    ],
)
def test_a_path_is_written_in_the_style_of_the_parameter(
    style: str, explode: bool, empty: str, text: str, array: str, record: str
) -> None:
    written = [
        path_text("color", each, style, explode=explode) for each in ("", "blue", COLOURS, RGB)
    ]
    assert written == [empty, text, array, record]


@pytest.mark.parametrize(
    ("style", "explode", "array", "record"),
    [
        ("form", False, "color=blue,black,brown", "color=R,100,G,200,B,150"),
        ("form", True, "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
        (
            "spaceDelimited",
            False,
            "color=blue%20black%20brown",
            "color=R%20100%20G%20200%20B%20150",
        ),
        ("pipeDelimited", False, "color=blue%7Cblack%7Cbrown", "color=R%7C100%7CG%7C200%7CB%7C150"),
        (
            "deepObject",
            True,
            "color%5B0%5D=blue&color%5B1%5D=black&color%5B2%5D=brown",
            "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150",
        ),
    ],
)
def test_a_query_is_written_in_the_style_of_the_parameter(
    style: str, explode: bool, array: str, record: str
) -> None:
    assert "&".join(query_pairs("color", COLOURS, style, explode=explode)) == array
    assert "&".join(query_pairs("color", RGB, style, explode=explode)) == record
    assert query_pairs("color", "a b&c=d", style, explode=explode) == ["color=a%20b%26c%3Dd"]
    assert query_pairs("color", [], style, explode=explode) == []
    assert query_pairs("color", {}, style, explode=explode) == []


def test_a_header_is_written_as_it_is() -> None:
    assert header_text(["a b", 1, True], explode=False) == "a b,1,true"
    assert header_text(RGB, explode=True) == "R=100,G=200,B=150"


@given(
    st.dictionaries(
        st.text(min_size=1), st.one_of(st.text(), st.integers(), st.booleans()), max_size=4
    )
)
def test_a_server_reads_from_a_query_what_was_put_into_it(record: dict[str, Any]) -> None:
    for explode, name in ((True, ""), (False, "r")):
        pairs = query_pairs("r", record if explode else list(record), "form", explode=explode)
        read = parse_qsl("&".join(pairs), keep_blank_values=True)
        if explode:
            expected = [(k, v if isinstance(v, str) else json.dumps(v)) for k, v in record.items()]
            assert read == expected
        elif record:
            assert [key for key, _ in read] == [name]


@given(st.text())
def test_no_argument_leaves_its_place_in_the_path(value: str) -> None:
    try:
        url = build_request(operation("/a/{id}/b"), {"id": value}).url
    except ArgumentUnusable:
        assert value in ("", ".", "..")
        return
    parts = urlsplit(url)
    assert (parts.netloc, parts.query, parts.fragment) == ("api.example", "", "")
    assert [len(parts.path.split("/")), *parts.path.split("/")[:2]] == [4, "", "a"]


def operation(path: str, method: str = "get", **fields: Any) -> Operation:
    """An operation whose path variables are strings, read from a document."""
    variables = [part.partition("}")[0] for part in path.split("{")[1:]]
    own = [{"name": e, "in": "path", "required": True, "schema": {}} for e in variables]
    parameters = [*own, *fields.pop("parameters", [])]
    components = fields.pop("components", {})
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "servers": [{"url": "https://api.example"}],
        "paths": {path: {method: {"operationId": "it", "parameters": parameters, **fields}}},
        "components": components,
    }
    api = read_api(json.dumps(document), "https://api.example/openapi.json")
    assert not api.omitted
    return api.operations[0]


def query(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {}, **more}


def body(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def test_each_argument_goes_where_the_document_says() -> None:
    fields = {"type": "object", "properties": {"name": {}, "id": {}}}
    found = operation(
        "/shops/{shop}/orders/{id}",
        "put",
        parameters=[
            query("page"),
            query("tags", style="pipeDelimited", explode=False),
            query("filter", style="deepObject", explode=True),
            query("raw", content={"application/json": {"schema": {}}}, schema=None),
            {"name": "X-Trace", "in": "header", "schema": {}},
        ],
        requestBody=body(fields),
    )
    request = build_request(
        found,
        {
            "shop": "a/b",
            "id": 7,
            "page": 2,
            "tags": ["x", "y"],
            "filter": {"by": "me"},
            "raw": {"k": [1]},
            "X-Trace": "t-1",
            "name": "n",
            "body_id": None,
        },
    )
    assert request.method == "PUT"
    assert request.url == (
        "https://api.example/shops/a%2Fb/orders/7"
        "?page=2&tags=x%7Cy&filter%5Bby%5D=me&raw=%7B%22k%22%3A%5B1%5D%7D"
    )
    assert request.headers == {"X-Trace": "t-1", "Content-Type": "application/json"}
    assert json.loads(request.body or b"") == {"name": "n", "id": None}


def test_what_is_optional_and_not_given_is_left_out() -> None:
    found = operation(
        "/x",
        "post",
        parameters=[query("a"), query("b"), {"name": "H", "in": "header", "schema": {}}],
        requestBody=body({"type": "array"}, required=False),
    )
    request = build_request(found, {"a": None, "b": 0})
    assert (request.url, request.headers, request.body) == ("https://api.example/x?b=0", {}, None)


def test_a_body_that_is_one_argument_is_sent_as_it_is() -> None:
    found = operation("/x", "post", requestBody=body({"type": "array"}))
    assert build_request(found, {"body": [1, {"a": None}]}).body == b'[1,{"a":null}]'
    with pytest.raises(ArgumentUnusable, match='"body"'):
        build_request(found, {})


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/a/{id}", {}),
        ("/a/{id}", {"id": ""}),
        ("/a/{id}/b", {"id": ".."}),
        ("/a/.{id}/b", {"id": ""}),
        ("/a/x", {"H": "a\r\nB: c"}),
        ("/a/x", {"H": "ä"}),
    ],
)
def test_an_argument_that_cannot_stand_there_is_refused(
    path: str, arguments: dict[str, Any]
) -> None:
    found = operation(path, parameters=[{"name": "H", "in": "header", "schema": {}}])
    with pytest.raises(ArgumentUnusable, match=r'"id"|"H"'):
        build_request(found, arguments)


@pytest.mark.parametrize("value", ["", "."])
def test_a_style_that_adds_dots_cannot_climb_the_path(value: str) -> None:
    label = {"name": "b", "in": "path", "required": True, "style": "label", "schema": {}}
    found = operation("/a/{b}/c", parameters=[label])
    assert build_request(found, {"b": "x"}).url.endswith("/a/.x/c")
    with pytest.raises(ArgumentUnusable, match='"b"'):
        build_request(found, {"b": value})


HEADER_KEY = {"type": "apiKey", "in": "header", "name": "X-Key"}
SCHEMES = {
    "head": HEADER_KEY,
    "query": {"type": "apiKey", "in": "query", "name": "k"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "c"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "oauth": {"type": "oauth2", "flows": {}},
}


@pytest.mark.parametrize(
    ("security", "key"),
    [
        (None, None),
        ([], None),
        ([{"head": []}], ApiKey("X-Key", ParameterLocation.HEADER)),
        ([{"query": []}], ApiKey("k", ParameterLocation.QUERY)),
        ([{"cookie": []}, {"query": []}], ApiKey("k", ParameterLocation.QUERY)),
        ([{"cookie": []}], ApiKey("c", ParameterLocation.COOKIE)),
        ([{"head": []}, {"bearer": []}], None),
        ([{"oauth": ["read"]}], None),
        ([{"unknown": []}], None),
        ("nonsense", None),
    ],
)
def test_the_document_says_where_a_key_goes(security: Any, key: ApiKey | None) -> None:
    more = {} if security is None else {"security": security}
    parameters = [{"name": "x-key", "in": "header", "required": True, "schema": {}}, query("k")]
    found = operation("/x", components={"securitySchemes": SCHEMES}, parameters=parameters, **more)
    known = {key.name.lower()} if key else set()
    assert {each.name for each in found.parameters} == {"x-key", "k"} - known
    assert operation("/x", components={"securitySchemes": SCHEMES}, **more).key == key
