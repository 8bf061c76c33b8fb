"""Strategies for documents of strangers: JSON and YAML, well formed or broken, up to 24 MiB."""

import copy
import itertools
import json
from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import strategies as st

from omnia_core.jsonvalue import JsonObject
from tests.core.packs import pack
from tests.core.whole_pack import WHOLE
from tests.operator import objects

# Mostly small, because a large document takes the time of a thousand small ones.
COUNTS = st.sampled_from([1, 1, 2, 2, 3, 5, 10, 30, 100, 300, 3000, 30_000, 300_000])
LARGEST = 24 * 1024 * 1024

NUMBERS = (
    *("0", "-0", "+7", "017", "0o17", "0x1F", "0b11", "1_000", "1.", ".5", "-1.5e-7", "1e400"),
    *(
        "12:30:45",
        "190:20:30.15",
        ".inf",
        "-.INF",
        ".nan",
        "NaN",
        "Infinity",
        "12345678901234567890",
    ),
)
WORDS = (
    *("", "a", "~", "null", "Null", "yes", "No", "on", "OFF", "true", "<<", "=", "- ", "? x", ": "),
    *("2001-12-14", "2001-12-14t21:59:43.10-05:00", "ä", "\u2028", "\U0001f600", "{{a}}", "#/a"),
    *("$ref", "__proto__", "(a+)+$", "a/b", "\\u0000", "%TAG", "---", "..."),
)
TAGS = (
    *("!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "!!binary ", "!!timestamp ", "!!set "),
    *("!!omap ", "!!map ", "!!seq ", "!!merge ", "!own ", "! ", "!<tag:a.example,2026:x> "),
    "!!python/object/apply:os.getcwd ",
)
NAMES = st.builds(lambda name, count: name * min(count, 5000), st.sampled_from(["a", "b"]), COUNTS)
BYTES = (
    *(
        b"\xff",
        b"\xed\xa0\x80",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xfe\xff",
        b"\xc3",
        b"\x85",
        b"\r",
        b"\t",
    ),
    *(b"[", b"{", b"]", b"}", b'"', b"'", b"\\", b"\n", b": ", b", ", b"- ", b"? ", b"&a ", b"*a "),
    *(
        b"<<: ",
        b"|\n",
        b">-\n",
        b"!!int ",
        b"%TAG ! x\n",
        b"\n---\n",
        b"\n...\n",
        b"# ",
        b"1",
        b"a: ",
    ),
)

_LONG_NUMBERS = st.builds(
    lambda begin, digits, count: begin + digits * min(count, 100_000),
    st.sampled_from(["", "-", "0x", "0o", "1e", "1.", "0"]),
    st.sampled_from(["1", "9", "f", "1:", "_"]),
    COUNTS,
)
_PLAIN = st.sampled_from([*NUMBERS, *WORDS[:20]]) | _LONG_NUMBERS
_QUOTED = st.builds(json.dumps, st.sampled_from(WORDS) | st.text(max_size=20))
_SCALARS = _PLAIN | _QUOTED | st.builds("{0}{1}".format, st.sampled_from(TAGS), _PLAIN)


def _repeated(text: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda one, count: one * min(count, LARGEST // (len(one) or 1)), text, COUNTS)


def _anchored(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("&{0} {1}".format, NAMES, inner) | NAMES.map("*{0} ".format)


def _flow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keys = _QUOTED | st.sampled_from(["<<", "a", "b", "? a", "1", "~"])
    entries = st.lists(st.builds("{0}: {1}".format, keys, inner), max_size=4)
    return (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | entries.map(lambda items: f"{{{', '.join(items)}}}")
        | _anchored(inner)
    )


def _block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    indented = inner.map(lambda text: text.replace("\n", "\n  "))
    keys = st.sampled_from(["a", "b", "<<", '"a"', "? c\n", "1", "kind", "data"])
    entries = st.lists(st.builds("\n{0}: {1}".format, keys, indented), min_size=1, max_size=4)
    literal = st.builds(
        "|\n  {0}".format, _repeated(st.sampled_from(["text\n  ", "x", "\t", "\n"]))
    )
    return (
        st.lists(indented.map("\n- {0}".format), min_size=1, max_size=4).map("".join)
        | entries.map("".join)
        | literal
        | _anchored(inner)
    )


_YAML = st.recursive(st.recursive(_SCALARS, _flow, max_leaves=12), _block, max_leaves=8)


def _laughs(levels: int, width: int) -> str:
    """Aliases of aliases: the last value has `width` to the power of `levels` values."""
    lines = ["a0: &a0 [x]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]"
        for level in range(1, levels)
    ]
    return "\n".join(lines)


def _merges(levels: int, width: int) -> str:
    """Mappings that merge the one before, several times."""
    lines = ["m0: &m0 {a: 1}"]
    lines += [
        f"m{level}: &m{level} {{<<: [{', '.join([f'*m{level - 1}'] * width)}], k{level}: 1}}"
        for level in range(1, levels)
    ]
    return "\n".join(lines)


_AMPLIFIED = (
    st.builds(_laughs, st.integers(1, 40), st.integers(1, 10))
    | st.builds(_merges, st.integers(1, 400), st.integers(1, 10))
    | _repeated(
        st.sampled_from(["---\n", "%TAG ! x\n", "- a\n", "- - ", "[", "{a: ", "# x\n", "a: "])
    )
    | _repeated(
        st.sampled_from(["&a ", "*a ", "!!str ", "x", "1", "\n", " ", "\u2028", '"\\u0041', "{"])
    )
    | st.builds(
        lambda line, count: "".join(line.format(number) for number in range(min(count, 300_000))),
        st.sampled_from(["k{0}: {0}\n", "&a{0} a{0}: *a{0}\n", "- {{k{0}: [{0}]}}\n", "a: {0}\n"]),
        COUNTS,
    )
    | st.builds(
        lambda opening, inner, closing, count: opening * count + inner + closing * count,
        st.sampled_from(["[", '{"a":', '{"a":[', "- ", "? "]),
        st.sampled_from(["", "1", '"x"']),
        st.sampled_from(["]", "}", "]}", ""]),
        COUNTS,
    )
)

OPENAPI: JsonObject = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [
        {"url": "https://{region}.a.example/v1", "variables": {"region": {"default": "eu"}}}
    ],
    "security": [{"key": []}],
    "paths": {
        "/pets/{id}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
            ],
            "get": {
                "operationId": "getPet",
                "summary": "One pet.",
                "parameters": [
                    {"$ref": "#/components/parameters/Page"},
                    {
                        "name": "f",
                        "in": "query",
                        "style": "deepObject",
                        "schema": {"$ref": "#/components/schemas/Pet"},
                    },
                    {
                        "name": "x-a",
                        "in": "header",
                        "content": {"application/json": {"schema": {}}},
                    },
                ],
            },
            "post": {
                "operationId": "get_0",
                "requestBody": {
                    "content": {
                        "multipart/form-data": {"schema": {"$ref": "#/components/schemas/Pet"}},
                        "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}},
                    }
                },
            },
        }
    },
    "components": {
        "parameters": {
            "Page": {"name": "page", "in": "query", "explode": False, "schema": {"type": "array"}}
        },
        "schemas": {
            "Pet": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z]+$", "nullable": True},
                    "next": {"$ref": "#/components/schemas/Pet"},
                    "kind": {"oneOf": [{"$ref": "#/components/schemas/Kind"}, {"type": "null"}]},
                },
                "allOf": [{"$ref": "#/components/schemas/Kind"}],
                "discriminator": {
                    "propertyName": "kind",
                    "mapping": {"a": "#/components/schemas/Kind"},
                },
            },
            "Kind": {"enum": ["a", "b", 1, None], "default": "a"},
        },
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
    },
}
SCHEMA: JsonObject = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
    "type": "object",
    "properties": {
        "a": {"type": "integer", "minimum": -1, "multipleOf": 0.1},
        "b": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        "c": {"type": "array", "items": {"enum": ["x"]}, "uniqueItems": True, "contains": {}},
    },
    "patternProperties": {"^x-": True},
    "if": {"required": ["a"]},
    "then": {"not": {"const": {}}},
    "dependentSchemas": {"a": {"unevaluatedProperties": False}},
}
_HTTP = {"endpoint": "https://a.example/x", "method": "POST", "headers": {"A": "b"}}
_TOOL = {"name": "t", "description": "d", "inputSchema": SCHEMA}
TOOLS: JsonObject = {
    "handlers": [
        {"name": "h", "type": "http", "timeout": "30s", "tool": _TOOL, "httpConfig": _HTTP},
        {"name": "o", "type": "openapi", "openAPIConfig": {"specURL": "https://a.example/o.json"}},
        {
            "name": "m",
            "type": "mcp",
            "mcpConfig": {"transport": "streamable-http", "endpoint": "https://a.example"},
        },
    ]
}
PROVIDERS: JsonObject = {
    "providers": [
        {"name": "default", "type": "openai", "model": "m", "headers": {"a": "b"}},
        {"name": "other", "type": "mock"},
    ]
}
RESOURCES: tuple[JsonObject, ...] = (
    objects.agent({"session": {"ttl": "1h"}, "facade": {"type": "websocket"}}),
    objects.function({"inputSchema": SCHEMA}),
    objects.provider(),
    objects.registry(),
    {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            objects.agent(),
            objects.document(
                "PromptPack",
                "pack",
                {"source": {"configMapRef": {"name": "c"}}, "version": "1.0.0"},
            ),
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "c"},
                "data": {"pack.json": json.dumps(pack())},
            },
        ],
    },
)
SHAPES: dict[str, tuple[JsonObject, ...]] = {
    "resource": RESOURCES[:4],
    "manifests": RESOURCES,
    "pack": (WHOLE, pack()),
    "schema": (SCHEMA,),
    "openapi": (OPENAPI,),
    "filtered-openapi": (OPENAPI,),
    "tools": (TOOLS,),
    "providers": (PROVIDERS,),
}

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
    | _repeated(st.sampled_from(["a", "{{a}}", "(a+)", "\n", "\\", "ä", "/"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
_REFERENCES = st.sampled_from(
    [
        "#",
        "#/",
        "#/paths",
        "#/components/schemas/Pet",
        "#/$defs/node",
        "#/~1~0",
        "https://a.example/x",
        "#/properties/a",
    ]
).map(lambda reference: {"$ref": reference})


def _place(draw: st.DrawFn, value: Any) -> tuple[Any, str | int]:
    """Choose a collection in a value, and a key of it."""
    while True:
        keys: Any = value if isinstance(value, dict) else range(len(value))
        key = next(itertools.islice(keys, draw(st.integers(0, len(value) - 1)), None))
        inner = value[key]
        if not inner or not isinstance(inner, dict | list) or draw(st.integers(0, 3)) == 0:
            return value, key
        value = inner


def _in(levels: int, wrap: Callable[[Any], Any], value: Any) -> Any:
    for _ in range(levels):
        value = wrap(value)
    return value


_WRAPS: tuple[Callable[[Any], Any], ...] = (
    lambda value: [value],
    lambda value: {"a": value},
    lambda value: {"allOf": [value]},
    lambda value: {"anyOf": [value, {"type": "null"}]},
    lambda value: {"properties": {"p": value}},
    lambda value: {"not": value},
    lambda value: {"items": value},
)


@st.composite
def _shaped(draw: st.DrawFn, shapes: tuple[JsonObject, ...], largest: int) -> str:
    """A document of a shape, with changes, as JSON or YAML."""
    value = copy.deepcopy(draw(st.sampled_from(shapes)))
    for _ in range(draw(st.integers(0, 4))):
        inside, last = _place(draw, value)
        match draw(st.sampled_from(["value", "value", "reference", "many", "nested", "removed"])):
            case "value":
                inside[last] = draw(_JSON)
            case "reference":
                inside[last] = draw(_REFERENCES)
            case "many":
                # The same object each time: it takes no memory here until it is written.
                size = len(json.dumps(inside if isinstance(inside, list) else inside[last]))
                count = min(draw(COUNTS), largest // (size + 10))
                if isinstance(inside, list):
                    inside *= max(count, 1)
                else:
                    inside.update({f"{last}{number}": inside[last] for number in range(count)})
                # Another change would be made in every copy, and could make terabytes of them.
                break
            case "nested":
                inside[last] = _in(
                    min(draw(COUNTS), 150), draw(st.sampled_from(_WRAPS)), inside[last]
                )
            case _:
                del inside[last]
        if not value:
            break
    plain = draw(st.booleans())
    text = json.dumps(value, ensure_ascii=plain)
    if len(text) < 50_000 and draw(st.booleans()):
        text = yaml.dump(
            json.loads(text),
            Dumper=yaml.CSafeDumper,
            allow_unicode=not plain,
            default_flow_style=None,
        )
    return text


@st.composite
def documents(draw: st.DrawFn, reader: str, largest: int) -> bytes:
    """At most `largest` bytes: any YAML or JSON, or the reader's shape, sometimes broken."""
    kind = draw(st.sampled_from(["shaped", "shaped", "shaped", "yaml", "json", "amplified"]))
    match kind:
        case "shaped":
            text = draw(_shaped(SHAPES[reader], largest))
        case "yaml":
            text = draw(_YAML)
        case "json":
            text = json.dumps(draw(_JSON))
        case _:
            text = draw(_AMPLIFIED)
    codec = draw(st.sampled_from(["utf-8"] * 8 + ["utf-16", "utf-32-be", "utf-16-le"]))
    content = text.encode(codec, "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 3]))):
        begin = draw(st.integers(0, len(content)))
        end = min(len(content), begin + draw(st.integers(0, 40)))
        piece = draw(st.sampled_from(BYTES)) * draw(COUNTS)
        content = content[:begin] + piece + content[end:]
    return content[:largest]
