"""Arguments of an analysis: whatever their value is, the text around them keeps its meaning."""

import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_operator.analysis.arguments import (
    ArgumentInvalid,
    has_other_braces,
    in_address,
    in_header,
    in_query,
)

HOSTILE = '"}) or vector(1) #'
QUERIES: list[tuple[str, str, str]] = [
    ('sum(x{agent="{{args.v}}"})', "shop", 'sum(x{agent="shop"})'),
    ('sum(x{agent="{{ args.v }}"})', HOSTILE, 'sum(x{agent="\\"}) or vector(1) #"})'),
    ("sum(x{a='{{args.v}}'})", "it's", "sum(x{a='it\\'s'})"),
    ('x{a="{{args.v}}"}', "a\\", 'x{a="a\\\\"}'),
    ('x{a="{{args.v}}"}', "a\nb", 'x{a="a\\nb"}'),
    ("x{a=`{{args.v}}`}", '"', 'x{a=`"`}'),
    ("rate({{args.v}}_total[5m])", "errors", "rate(errors_total[5m])"),
    ("rate(x[{{args.v}}])", "5m", "rate(x[5m])"),
    ("x # it's \"\n + {{args.v}}", "1", "x # it's \"\n + 1"),
    ("x # {{args.v}}\n", "1\n + y", "x # \n"),
    ('x{a="\\"{{args.v}}"}', '"', 'x{a="\\"\\""}'),
]
REFUSED: list[tuple[str, str, str]] = [
    ("sum(x) + {{args.v}}", "1) or vector(1", "outside"),
    ("x{a=`{{args.v}}`}", "`} or y", "raw"),
    ('x{a="\\{{args.v}}"}', '"', "backslash"),
    ("x + {{args.other}}", "1", "unknown"),
    ('x # "\n + {{args.v}}', '" + y', "after a comment"),
]


@pytest.mark.parametrize(("query", "value", "expected"), QUERIES)
def test_a_value_in_a_query(query: str, value: str, expected: str) -> None:
    assert in_query(query, {"v": value}) == expected


@pytest.mark.parametrize(("query", "value"), [case[:2] for case in REFUSED])
def test_a_value_that_a_query_cannot_have_is_refused(query: str, value: str) -> None:
    with pytest.raises(ArgumentInvalid):
        in_query(query, {"v": value})


STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`', re.DOTALL)


@given(st.text(max_size=30), st.sampled_from(['x{{a="{0}"}} + y', "x{{a='{0}'}} + y", "{0} + y"]))
def test_no_value_closes_the_string_that_it_stands_in(value: str, template: str) -> None:
    query = template.format("{{args.v}}")
    try:
        made = in_query(query, {"v": value})
    except ArgumentInvalid:
        return
    # What is left without strings is what the author wrote.
    left = STRING.sub("S", made)
    plain = STRING.sub("S", query).replace("{{args.v}}", value)
    assert left == plain
    assert "\n" not in left


@given(st.text(max_size=30))
def test_no_value_leaves_its_place_in_an_address(value: str) -> None:
    try:
        made = urlsplit(in_address("http://h:80/a/{{args.v}}/b?c={{args.v}}&d=1", {"v": value}))
    except ArgumentInvalid:
        assert value in (".", "..")
        return
    except UnicodeEncodeError:
        pytest.fail("the value is no text")
    assert (made.hostname, made.port, made.fragment) == ("h", 80, "")
    assert [unquote(part) for part in made.path.split("/")] == ["", "a", value, "b"]
    assert len(made.query.split("&")) == 2


@pytest.mark.parametrize("value", ["a.b@evil", "evil/", "", "a:1", "-a", "a b"])
def test_a_host_is_a_name(value: str) -> None:
    with pytest.raises(ArgumentInvalid):
        in_address("http://{{args.v}}.svc/", {"v": value})
    assert in_address("http://{{args.v}}.svc", {"v": "shop"}) == "http://shop.svc"


@pytest.mark.parametrize("value", ["a\r\nb: c", "é", "\x00"])
def test_a_header_has_printable_ascii(value: str) -> None:
    with pytest.raises(ArgumentInvalid):
        in_header("Bearer {{args.v}}", {"v": value})
    assert in_header("Bearer {{args.v}}", {"v": "t"}) == "Bearer t"


def test_braces_that_are_no_argument_are_noticed() -> None:
    assert has_other_braces("x{{a}}")
    assert has_other_braces("{{args.a}} {{ arg.b }}")
    assert not has_other_braces("{{args.a}}{{ args.b }} x{a='b'}")
