"""The arguments of a tool become the request that an OpenAPI document describes."""

import email
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonschema import compile_schema
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


def test_an_empty_value_is_written_as_rfc_6570_says() -> None:
    written = [path_text("c", "", style, explode=True) for style in ("simple", "label", "matrix")]
    assert written == ["", ".", ";c"]
    for style in ("form", "spaceDelimited", "pipeDelimited", "deepObject"):
        for explode in (True, False):
            assert query_pairs("c", "a b&c=d", style, explode=explode) == ["c=a%20b%26c%3Dd"]
            assert query_pairs("c", [], style, explode=explode) == []
            assert query_pairs("c", {}, style, explode=explode) == []


# Every combination of place, style and explode of OpenAPI 3.0 to 3.2, from the document to the
# request: its default comes first. A style that OpenAPI leaves open for a kind of value is
# written like the next one that it describes.
@pytest.mark.parametrize(
    ("place", "style", "explode", "text", "array", "record"),
    [
        ("path", None, None, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("path", "simple", False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("path", "simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("path", "label", None, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("path", "label", False, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("path", "label", True, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("path", "matrix", None, ";c=blue", ";c=blue,black,brown", ";c=R,100,G,200,B,150"),
        ("path", "matrix", False, ";c=blue", ";c=blue,black,brown", ";c=R,100,G,200,B,150"),
        ("path", "matrix", True, ";c=blue", ";c=blue;c=black;c=brown", ";R=100;G=200;B=150"),
        ("query", None, None, "c=blue", "c=blue&c=black&c=brown", "R=100&G=200&B=150"),
        ("query", None, False, "c=blue", "c=blue,black,brown", "c=R,100,G,200,B,150"),
        ("query", "form", None, "c=blue", "c=blue&c=black&c=brown", "R=100&G=200&B=150"),
        ("query", "form", False, "c=blue", "c=blue,black,brown", "c=R,100,G,200,B,150"),
        ("query", "form", True, "c=blue", "c=blue&c=black&c=brown", "R=100&G=200&B=150"),
        (
            "query",
            "spaceDelimited",
            None,
            "c=blue",
            "c=blue%20black%20brown",
            "c=R%20100%20G%20200%20B%20150",
        ),
        (
            "query",
            "spaceDelimited",
            True,
            "c=blue",
            "c=blue&c=black&c=brown",
            "R=100&G=200&B=150",
        ),
        (
            "query",
            "pipeDelimited",
            None,
            "c=blue",
            "c=blue%7Cblack%7Cbrown",
            "c=R%7C100%7CG%7C200%7CB%7C150",
        ),
        ("query", "pipeDelimited", True, "c=blue", "c=blue&c=black&c=brown", "R=100&G=200&B=150"),
        *(
            (
                "query",
                "deepObject",
                explode,
                "c=blue",
                "c%5B0%5D=blue&c%5B1%5D=black&c%5B2%5D=brown",
                "c%5BR%5D=100&c%5BG%5D=200&c%5BB%5D=150",
            )
            for explode in (None, False, True)
        ),
        ("header", None, None, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("header", "simple", False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("header", "simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("cookie", None, None, "c=blue", "c=blue&c=black&c=brown", "R=100&G=200&B=150"),
        ("cookie", "form", False, "c=blue", "c=blue,black,brown", "c=R,100,G,200,B,150"),
        ("cookie", "form", True, "c=blue", "c=blue&c=black&c=brown", "R=100&G=200&B=150"),
        ("cookie", "cookie", False, "c=blue", "c=blue,black,brown", "c=R,100,G,200,B,150"),
        ("cookie", "cookie", True, "c=blue", "c=blue; c=black; c=brown", "R=100; G=200; B=150"),
    ],
)
def test_each_place_style_and_explode_is_written_as_openapi_says(
    place: str, style: str | None, explode: bool | None, text: str, array: str, record: str
) -> None:
    marks = {"style": style, "explode": explode}
    parameter = {"name": "c", "in": place, "required": True, "schema": {}}
    parameter |= {name: mark for name, mark in marks.items() if mark is not None}
    path = "/{c}" if place == "path" else "/"
    found = operation(path, parameters=[parameter])
    written = []
    for value in ("blue", COLOURS, RGB):
        request = build_request(found, {"c": value})
        parts = urlsplit(request.url)
        places = {"path": parts.path[1:], "query": parts.query}
        places |= {"header": request.headers.get("c", "")}
        places |= {"cookie": request.headers.get("Cookie", "")}
        written.append(places[place])
    assert written == [text, array, record]


def test_objects_in_objects_get_a_bracket_for_each_level() -> None:
    found = operation("/", parameters=[query("f", style="deepObject", explode=True)])
    url = build_request(
        found, {"f": {"a": {"b": 1, "c": ["x", {"d": "é"}]}, "e": True, "n": None}}
    ).url
    assert parse_qsl(urlsplit(url).query) == [
        ("f[a][b]", "1"),
        ("f[a][c][0]", "x"),
        ("f[a][c][1][d]", "é"),
        ("f[e]", "true"),
    ]


def test_cookies_are_sent_in_one_header() -> None:
    cookies: list[dict[str, Any]] = [
        {"name": name, "in": "cookie", "schema": {}} for name in ("a", "b", "empty", "c")
    ]
    cookies[3]["content"] = {"application/json": {"schema": {}}}
    found = operation("/", parameters=cookies)
    request = build_request(found, {"a": "x; y=1", "b": 2, "empty": [], "c": {"k": 1}})
    assert request.headers == {"Cookie": "a=x%3B%20y%3D1; b=2; c=%7B%22k%22%3A1%7D"}


FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
FIELDS = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "list": {"type": "array"}, "map": {}, "file": {}},
}


def form(media: str = FORM, *, required: bool = False, **more: Any) -> dict[str, Any]:
    return {"required": required, "content": {media: {"schema": FIELDS, **more}}}


@pytest.mark.parametrize(
    ("encoding", "fields", "text"),
    [
        ({}, {"text": "a b&c=é"}, "text=a%20b%26c%3D%C3%A9"),
        ({}, {"text": "", "list": None}, "text="),
        ({}, {"list": ["a", 1, True]}, "list=a&list=1&list=true"),
        ({}, {"map": {"a": 1}}, "map=%7B%22a%22%3A1%7D"),
        ({"list": {"explode": False}}, {"list": ["a", "b"]}, "list=a,b"),
        ({"list": {"style": "pipeDelimited"}}, {"list": ["a", "b"]}, "list=a%7Cb"),
        ({"list": {"contentType": "application/json"}}, {"list": ["a"]}, "list=%5B%22a%22%5D"),
        ({"map": {"style": "form"}}, {"map": {"a": 1, "b": 2}}, "a=1&b=2"),
        (
            {"map": {"style": "deepObject", "explode": True}},
            {"map": {"a": {"b": 1}, "c": [2]}},
            "map%5Ba%5D%5Bb%5D=1&map%5Bc%5D%5B0%5D=2",
        ),
    ],
)
def test_a_form_is_sent_as_a_form(
    encoding: dict[str, Any], fields: dict[str, Any], text: str
) -> None:
    found = operation("/", "post", requestBody=form(encoding=encoding))
    request = build_request(found, fields)
    assert (request.body, request.headers) == (text.encode(), {"Content-Type": FORM})


def test_an_optional_form_without_fields_is_not_sent() -> None:
    request = build_request(operation("/", "post", requestBody=form()), {})
    assert (request.body, request.headers) == (None, {})
    request = build_request(operation("/", "post", requestBody=form(required=True)), {})
    assert (request.body, request.headers) == (b"", {"Content-Type": FORM})


def test_a_form_that_is_one_argument_has_to_be_an_object() -> None:
    found = operation("/", "post", requestBody={"content": {FORM: {"schema": {}}}})
    assert build_request(found, {"body": {"a": 1, "b": None}}).body == b"a=1"
    with pytest.raises(ArgumentUnusable, match='"body" has to be an object'):
        build_request(found, {"body": [1]})


def test_a_form_may_be_null_in_3_1() -> None:
    schema = {**FIELDS, "type": ["object", "null"]}
    found = operation("/", "post", requestBody={"content": {FORM: {"schema": schema}}})
    assert build_request(found, {"body": {"text": "a"}}).body == b"text=a"


def test_a_multipart_form_has_a_part_for_each_value() -> None:
    found = operation("/", "post", requestBody=form(MULTIPART))
    fields = {"text": "é\r\n--x", "list": ["a", 1], "map": {"k": [1]}}
    request = build_request(found, fields)
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + (request.body or b""))
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert [
        (
            part.get_param("name", header="content-disposition"),
            "Content-Type" in part and part.get_content_type(),
            bytes(part.get_payload(decode=True) or b"").decode(),
        )
        for part in parts
    ] == [
        ("text", False, "é\r\n--x"),
        ("list", False, "a"),
        ("list", False, "1"),
        ("map", "application/json", '{"k":[1]}'),
    ]


def test_a_name_of_a_field_cannot_end_its_header() -> None:
    schema = {"type": "object", "properties": {'a"\r\nX: y': {}}}
    found = operation("/", "post", requestBody={"content": {MULTIPART: {"schema": schema}}})
    content = build_request(found, {'a"\r\nX: y': "v"}).body or b""
    assert b'name="a%22%0D%0AX: y"\r\n' in content


def test_plain_text_is_sent_as_it_is() -> None:
    found = operation("/", "post", requestBody={"content": {"text/plain": {"schema": {}}}})
    request = build_request(found, {"body": "é"})
    assert (request.body, request.headers) == ("é".encode(), {"Content-Type": "text/plain"})


@pytest.mark.parametrize(
    ("offered", "sent"),
    [
        (["text/xml", MULTIPART, FORM, "application/json"], "application/json"),
        (["application/vnd.api+json", "application/json; charset=utf-8"], None),
        (["application/json-patch+json", "application/merge-patch+json"], "merge-patch"),
        (["application/json-patch+json", "application/vnd.api+json"], "vnd.api"),
        (["application/json-patch+json", FORM], "json-patch"),
        (["*/*"], "application/json"),
        (["application/*+json", FORM], "application/json"),
        (["text/json", FORM], "text/json"),
        (["text/plain", MULTIPART, FORM], FORM),
        (["text/plain", MULTIPART], MULTIPART),
    ],
)
def test_json_is_sent_before_forms_and_a_merge_patch_before_a_json_patch(
    offered: list[str], sent: str | None
) -> None:
    content = {media: {"schema": FIELDS} for media in offered}
    found = operation("/", "post", requestBody={"required": True, "content": content})
    headers = build_request(found, dict.fromkeys(found.input_schema["properties"], "a")).headers
    assert (sent or "application/json; charset=utf-8") in headers["Content-Type"]


@pytest.mark.parametrize("additional", [True, {}, False, None, {"type": "integer"}])
@pytest.mark.parametrize("media", ["application/json", FORM])
def test_additional_properties_are_as_the_document_says(media: str, additional: Any) -> None:
    schema = {"type": "object", "properties": {"name": {}, "q": {}}}
    schema |= {} if additional is None else {"additionalProperties": additional}
    content = {"required": True, "content": {media: {"schema": schema}}}
    found = operation("/", "post", parameters=[query("q")], requestBody=content)
    if additional == {"type": "integer"}:
        assert list(found.input_schema["properties"]) == ["q", "body"]
        assert found.input_schema["properties"]["body"]["additionalProperties"] == additional
        return
    is_open = additional in (True, {})
    assert found.input_schema["additionalProperties"] is is_open
    request = build_request(found, {"name": "n", "q": 1, "body_q": 2, "custom": 3})
    expected = {"name": "n", "q": 2} | ({"custom": 3} if is_open else {})
    text = (request.body or b"").decode()
    sent = (
        json.loads(text)
        if media != FORM
        else {k: int(v) if v.isdigit() else v for k, v in parse_qsl(text)}
    )
    assert (sent, urlsplit(request.url).query) == (expected, "q=1")


BINARY = {"type": "string", "format": "binary"}


@pytest.mark.parametrize(
    ("fields", "required", "left"),
    [
        ({"note": {}, "file": BINARY}, [], ["note"]),
        ({"note": {}, "files": {"type": "array", "items": BINARY}}, ["note"], ["note"]),
        ({"note": {}, "file": {"contentMediaType": "image/png"}}, [], ["note"]),
        ({"file": {"contentMediaType": "image/png", "contentEncoding": "base64"}}, [], ["file"]),
        ({"file": {"type": "string", "format": "byte"}}, ["file"], ["file"]),
        ({"file": BINARY}, [], None),
        ({"note": {}, "file": BINARY}, ["file"], None),
    ],
)
def test_a_file_is_no_argument_and_a_form_that_needs_one_is_left_out(
    fields: dict[str, Any], required: list[str], left: list[str] | None
) -> None:
    schema = {"type": "object", "properties": fields, "required": required}
    item = {"post": {"requestBody": {"content": {MULTIPART: {"schema": schema}}}}}
    text = json.dumps({"openapi": "3.0.0", "paths": {"/x": item}})
    api = read_api(text, "https://api.example/openapi.json")
    if left is None:
        assert "tools send no files, which it needs: file" in api.omitted[0].reason
    else:
        assert list(api.operations[0].input_schema["properties"]) == left
        assert api.operations[0].input_schema.get("required", []) == required


def test_a_discriminator_chooses_among_alternatives_that_overlap() -> None:
    cat = {"type": "object", "properties": {"kind": {}, "meow": {"type": "boolean"}}}
    dog = {"type": "object", "properties": {"kind": {}, "bark": {"type": "boolean"}}}
    pets = {"oneOf": [cat, dog], "discriminator": {"propertyName": "kind"}}
    schema = operation("/", "post", requestBody=body(pets)).input_schema
    checked = compile_schema(schema)
    assert checked.accepts({"body": {"kind": "cat", "meow": True}})
    assert not checked.accepts({"body": {"bark": 1, "meow": 1}})


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("/a/b?c=d:e@f", "q=/a/b?c=d:e@f"),
        ("a&key=b#c+d [e]", "q=a%26key=b%23c%2Bd%20%5Be%5D"),
        ("50% of %41%2f", "q=50%25%20of%20%41%2f"),
        (["a/b", "c,d"], "q=a/b&q=c,d"),
        ({"x/y": "a/b"}, "x%2Fy=a/b"),
        ("é", "q=%C3%A9"),
    ],
)
def test_reserved_characters_stay_where_the_document_allows_them(value: Any, sent: str) -> None:
    found = operation("/x", parameters=[{"name": "q", "in": "query", "allowReserved": True}])
    assert urlsplit(build_request(found, {"q": value}).url).query == sent


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


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/#Action=Create", "https://api.example/?q=1"),
        ("/a b/ä/%20", "https://api.example/a%20b/%C3%A4/%20?q=1"),
        ("/a?Action=Create", "https://api.example/a?Action=Create&q=1"),
        ("/a\r\nX: y", "https://api.example/a%0D%0AX:%20y?q=1"),
    ],
)
def test_a_path_is_sent_as_a_url_can_have_it(path: str, url: str) -> None:
    assert build_request(operation(path, parameters=[query("q")]), {"q": 1}).url == url


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
