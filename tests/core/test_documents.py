"""Documents of strangers: JSON and YAML are read within limits, or refused with the place."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from omnia_core.documents import FILE_LIMITS, DocumentInvalid, Limits, read_document, read_manifests
from omnia_core.jsonvalue import MAX_DEPTH, TooDeep, check_depth, json_bytes, parse_json

SMALL = Limits(yaml_characters=2000, yaml_values=100, json_values=100)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab[{\"\\'", max_size=3), inner)
    ),
    max_leaves=20,
)
# Pieces of which YAML and JSON are made, in any order.
MARKS = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ": ",
    "- ",
    "\n",
    "  ",
    "&a ",
    "*a",
    "<<: ",
    "? ",
    "'",
    '"',
    "\\",
    "x",
]
MORE = ["1", "~", "!!str ", "!!int ", "|", "\n---\n", "%TAG ! x\n", "# ", "\ufeff", "\t"]
PIECES = st.lists(st.sampled_from([*MARKS, *MORE]), max_size=60).map("".join)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0) if isinstance(value, dict | list) else 0


def nested(levels: int, inner: str = "") -> str:
    return (
        '{"a":[' * (levels // 2)
        + "[" * (levels % 2)
        + inner
        + "]" * (levels % 2)
        + "]}" * (levels // 2)
    )


@given(VALUES)
def test_a_document_has_the_same_value_as_json_and_as_yaml(value: Any) -> None:
    text = yaml.safe_dump({"x": value}, allow_unicode=True)
    assert read_document(json.dumps({"x": value}), FILE_LIMITS) == {"x": value}
    assert read_document(text, FILE_LIMITS) == {"x": value}


@given(PIECES, st.booleans())
def test_any_text_is_a_value_or_an_error_with_a_sentence(text: str, core_schema: bool) -> None:
    try:
        value = read_document(text, SMALL, core_schema=core_schema)
    except DocumentInvalid as error:
        place = error.line or 1
    else:
        json_bytes(value)
        place = depth(value) and 1
    assert place <= text.count("\n") + 2


@given(st.lists(st.sampled_from(MARKS), max_size=40).map("".join))
def test_what_is_read_of_yaml_is_what_the_library_reads(text: str) -> None:
    try:
        value = read_document(text, FILE_LIMITS)
    except DocumentInvalid:
        return
    assert value == keys_as_text(yaml.load(text, Loader=yaml.CSafeLoader))


GOOD = """\
openapi: 3.0.0
info: &info {title: "Pets [x]", version: '1'}
paths:
  /pets/{id}:
    get:
      <<: {operationId: getPet}
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer, enum: [1, 0x1F, 1e3]}}
      description: |
        Two lines: {of} [text]
        - "and" *more
x-again: *info
"""


@given(st.data())
def test_a_mutated_document_is_a_value_or_an_error_with_a_sentence(data: st.DataObject) -> None:
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(text)))
        end = min(len(text), begin + data.draw(st.integers(0, 12)))
        piece = data.draw(st.sampled_from([*MARKS, *MORE])) * data.draw(st.integers(0, 300))
        text = text[:begin] + piece + text[end:]
    for limits in (FILE_LIMITS, SMALL):
        try:
            value = read_document(text, limits, core_schema=True)
        except DocumentInvalid as error:
            value = error.message
        assert depth(value) <= MAX_DEPTH


def keys_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {"" if key is None else str(key): keys_as_text(item) for key, item in value.items()}
    return [keys_as_text(item) for item in value] if isinstance(value, list) else value


@given(st.text('[]{}"\\,:a1 \u00e4', max_size=80), st.integers(0, 3))
def test_the_depth_of_text_is_at_least_the_depth_that_a_parser_reaches(
    text: str, more: int
) -> None:
    # The deep part of a text must not hide behind quotes and backslashes.
    text = text + nested(MAX_DEPTH + more) if more else text
    try:
        check_depth(text)
        value = json.loads(text)
    except ValueError:
        return
    assert depth(value) <= MAX_DEPTH


@given(VALUES, st.integers(0, MAX_DEPTH + 5))
def test_the_depth_of_json_is_exact(value: Any, levels: int) -> None:
    text = nested(levels, json.dumps(value))
    if levels + depth(value) <= MAX_DEPTH:
        assert depth(parse_json(text)) == levels + depth(value)
    else:
        with pytest.raises(TooDeep, match="deeper than 200 levels"):
            parse_json(text.encode())


@given(st.recursive(SCALARS | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
@example({"text": "\ud83d and \udcff"})
def test_any_text_becomes_json(value: object) -> None:
    assert json.loads(json_bytes(value)) == map_text(value)


def map_text(value: object) -> object:
    """Return what JSON in UTF-8 can say of a value: "?" in place of half of a surrogate pair."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {map_text(key): map_text(item) for key, item in value.items()}
    return value


def test_orjson_writes_a_value_of_the_largest_depth_in_a_message_around_it() -> None:
    value = parse_json(nested(MAX_DEPTH))
    for _ in range(50):
        value = {"message": value}
    json.loads(json_bytes(value))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("x: " + "[" * 60_000, 1, "nested deeper than 200 levels"),
        ("\n" + "- " * 60_000, 2, "nested deeper than 200 levels"),
        ("".join(" " * level + "a:\n" for level in range(300)), 201, "nested deeper than 200"),
        ("[" * 60_000, 1, "nested deeper than 200 levels"),
        ("x: [" + "a," * 600_000 + "]", 1, "more than 500,000 values"),
        (
            "a: &a [1]\n"
            + "".join(
                f"b{i}: &b{i} {'[' * 150}*{'a' if not i else f'b{i - 1}'}{']' * 150}\n"
                for i in range(3)
            ),
            3,
            "nested deeper than 200 levels",
        ),
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{chr(97 + i)}: &{chr(97 + i)} [{','.join([f'*{chr(96 + i)}'] * 10)}]\n"
                for i in range(1, 12)
            ),
            6,
            "counted again at each alias",
        ),
        (
            "a0: &a0 {x: y}\n"
            + "".join(
                f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 20)
            ),
            7,
            "counted again at each alias",
        ),
        ("%TAG !a! x\n" * 1000 + "--- a", None, "%TAG"),
        ("%TAG !a! x\r" * 1000 + "--- a", None, "%TAG"),
        ("x: 1" + ":1" * 5000, 1, "more than 4300 digits"),
        ("x: " + "1" * 5000, 1, "more than 4300 digits"),
        ("a: &a {b: *a}", 1, "is inside the value that it repeats"),
        ("a:\n  b: *c", 2, "has no anchor"),
        ("a: 1\n<<: 3", 2, "<< needs a mapping"),
        ("a: 1\n? [b]\n: c", 2, "a key is a list or a mapping"),
        ("a: !!python/object/apply:os.system [x]", 1, "is not supported"),
        ("a: !!binary aGk=", 1, "the tag binary is not supported"),
        ("a: !!int x", 1, '"x" is not of the type int'),
        ("a: [1\nb: ]\n", 2, "neither JSON nor YAML"),
        ("--- a\n--- b", None, "several documents"),
        ("b: 1\na: \x07", 2, "it has the character U\\+0007: remove it"),
        ("a: \ud800", None, "neither JSON nor YAML"),
        ("#" * 6_000_000, None, "YAML is larger than 5,242,880 characters"),
        ("[" + "1," * 1_000_001 + "1]", None, "more than 1,000,000 values"),
        ("[" + "{}," * 420_000 + "{}]", None, "more than 420,000 objects"),
    ],
)
def test_a_document_beyond_a_limit_is_refused_with_its_line(
    text: str, line: int | None, said: str
) -> None:
    with pytest.raises(DocumentInvalid, match=said) as caught:
        read_document(text, FILE_LIMITS)
    assert caught.value.line == line


def test_merge_keys_give_way_to_own_entries_and_the_first_mapping_wins() -> None:
    text = "base: &base {a: 1, b: 1}\nmore: &more {b: 2, c: 2}\nx: {<<: [*base, *more], a: 3}\n"
    assert read_document(text, FILE_LIMITS)["x"] == {"a": 3, "b": 1, "c": 2}
    assert read_document(text, FILE_LIMITS) == yaml.safe_load(text)


def test_each_version_of_yaml_has_its_scalars() -> None:
    text = "[no, 1_000, 010, 0o10, 12:30, 2020-01-01, ~, .5, 1e3, 'no', !!str 1]"
    kubernetes = [False, 1000, 8, "0o10", 750, "2020-01-01", None, 0.5, "1e3", "no", "1"]
    core = ["no", "1_000", 10, 8, "12:30", "2020-01-01", None, 0.5, 1000.0, "no", "1"]
    assert read_document(f"x: {text}", FILE_LIMITS)["x"] == kubernetes
    assert read_document(f"x: {text}", FILE_LIMITS, core_schema=True)["x"] == core


def test_a_manifest_has_the_line_of_every_value() -> None:
    text = "a: 1\nb:\n  - c: 2\n    d: 3\n  - e\n---\nx: &x\n  y: 1\nz: *x\n"
    first, second = read_manifests(text, FILE_LIMITS)
    assert first.value == {"a": 1, "b": [{"c": 2, "d": 3}, "e"]}
    places = [(), ("a",), ("b",), ("b", 0), ("b", 0, "d"), ("b", 1), ("b", 1, "none")]
    assert [first.lines.at(place).line for place in places] == [1, 1, 2, 3, 4, 5, 5]
    assert [second.lines.at(place).line for place in (("x", "y"), ("z", "y"))] == [8, 9]


def test_a_manifest_does_not_repeat_a_key() -> None:
    with pytest.raises(DocumentInvalid, match='the key "a" appears twice') as caught:
        read_manifests("a: 1\nb: 2\na: 3\n", FILE_LIMITS)
    assert caught.value.line == 3
