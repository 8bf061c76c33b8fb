"""The parts of templates: paths, fragments, single placeholders, what is refused."""

from typing import Any

import pytest

from omnia_core.errors import ConfigurationError
from omnia_core.templates import (
    MISSING,
    TemplateInvalid,
    ValueMissing,
    compile_template,
    is_placeholder,
    lookup,
    parse_path,
    read_path,
)

VALUES: dict[str, Any] = {"a": {"b": [{"c": None}, 1.5], "0": "key"}, "n": 0, "l": [[1], "x"]}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b[0].c", None),
        ("a.b.1", 1.5),
        ("a.b[1]", 1.5),
        ("a.b[2]", MISSING),
        ("a.0", "key"),
        ("a[0]", "key"),
        ("a.x", MISSING),
        ("n", 0),
        ("n.x", MISSING),
        ("l[0][0]", 1),
        ("l[1].x", MISSING),
        ("l[1][0]", MISSING),
        ("l.x", MISSING),
        ("x", MISSING),
    ],
)
def test_a_path_leads_to_a_value(path: str, found: object) -> None:
    assert lookup(parse_path(path, "t"), VALUES) == found
    assert lookup(parse_path(path, "t"), VALUES, "none") == ("none" if found is MISSING else found)


def test_a_path_has_steps_a_root_and_its_source() -> None:
    path = read_path("a.b[0].c_1", "t")
    assert (path.steps, path.root, path.source) == (("a", "b", 0, "c_1"), "a", "a.b[0].c_1")
    assert parse_path(" a.0 ", "t") == ("a", 0)


@pytest.mark.parametrize("bad", ["", "a.", ".a", "a..b", "a[b]", "a[-1]", "0", "a b", "a-b", "a[0"])
def test_what_is_no_path_is_named(bad: str) -> None:
    with pytest.raises(TemplateInvalid) as caught:
        parse_path(bad, "it")
    assert str(caught.value) == f"it: {caught.value.problem}"
    assert f"{{{{{bad}}}}} is not a placeholder" in caught.value.problem
    assert not is_placeholder(f"{{{{{bad}}}}}")


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("{{a}}", True),
        (" {{ a.b[0] }}\n", True),
        ("{{a}} ", True),
        ("{{a}}b", False),
        ("{{a}}{{b}}", False),
        ("a", False),
        ("{a}", False),
    ],
)
def test_a_text_is_one_placeholder_or_not(text: str, *, alone: bool) -> None:
    assert is_placeholder(text) is alone


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{n}}", 0),
        ("{{a.b}}", VALUES["a"]["b"]),
        ("{{ n }}", 0),
        (" {{n}}", " 0"),
        ("{{n}}{{n}}", "00"),
        ("n", "n"),
        ("", ""),
    ],
)
def test_a_single_placeholder_keeps_the_type_of_its_value(template: str, value: object) -> None:
    found = compile_template(template, "t").value(VALUES)
    assert (found, type(found)) == (value, type(value))


def test_a_value_that_is_missing_is_empty_where_its_variable_is_optional() -> None:
    template = compile_template("<{{x.y}}{{n}}>", "t")
    assert template.render(VALUES, {"x"}) == "<0>"
    for optional in ((), {"y"}, {"x.y"}):
        with pytest.raises(ValueMissing) as caught:
            template.render(VALUES, optional)
        assert caught.value.path.source == "x.y"
        assert str(caught.value) == 'no value for "x.y"'
    with pytest.raises(ValueMissing):
        compile_template("{{x}}", "t").value(VALUES)


def test_the_placeholders_are_listed_in_order_and_text_is_merged() -> None:
    template = compile_template("a{{f}}b{{x}}{{y.z}}{{f}}", "t", {"f": "-{{n}}-"})
    assert [path.source for path in template.paths()] == ["n", "x", "y.z", "n"]
    assert compile_template("a{{f}}b", "t", {"f": "-"}).parts == ("a-b",)
    assert compile_template("{{x}}a{{f}}b", "t", {"f": "-"}).parts[1:] == ("a-b",)
    assert compile_template("{{f}}", "t", {"f": ""}).parts == ()


@pytest.mark.parametrize(
    ("template", "variables", "rendered"),
    [
        ("{{n}}", (), "fragment"),
        ("{{n}}", ("n",), "0"),
        ("{{fragments.n}}", ("n",), "fragment"),
        ("{{fragments.n}}", ("fragments",), "variable"),
        ("{{fragment.n}}", (), "fragment"),
        ("{{ fragment : n }}", (), "fragment"),
        ("{{fragments.long-name}}", (), "long"),
    ],
)
def test_a_variable_goes_before_a_fragment_of_its_name(
    template: str, variables: tuple[str, ...], rendered: str
) -> None:
    fragments = {"n": "fragment", "long-name": "long"}
    values = {"n": 0, "fragments": {"n": "variable"}}
    assert compile_template(template, "t", fragments, variables).render(values) == rendered


def test_a_fragment_may_be_inserted_twice_and_not_into_itself() -> None:
    fragments = {"a": "{{b}}{{b}}", "b": "x", "c": "{{d}}", "d": "{{c}}"}
    assert compile_template("{{a}}{{b}}", "t", fragments).render({}) == "xxx"
    with pytest.raises(TemplateInvalid, match=r"^t: a fragment contains itself: c > d > c"):
        compile_template("{{c}}", "t", fragments)


def test_a_fragment_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(TemplateInvalid, match=r'^t: there is no fragment "x"; the pack has: a, b'):
        compile_template("{{fragments.x}}", "t", {"a": "", "b": ""})
    with pytest.raises(TemplateInvalid, match=r'^t: there is no fragment "x"; the pack has: none'):
        compile_template("{{fragments.x}}", "t")


@pytest.mark.parametrize(
    "logic", ["{% if a %}", "{%- for x in y -%}", "{%set a%}", "{% endif %}", "{% raw %}"]
)
def test_logic_is_refused_by_name(logic: str) -> None:
    with pytest.raises(ConfigurationError, match="is not supported; expected a name") as caught:
        compile_template(f"a {logic} b", "t")
    assert logic in str(caught.value)
    with pytest.raises(ConfigurationError):
        compile_template("{{f}}", "t", {"f": logic})


@pytest.mark.parametrize("text", ["{% 5 %}", "100 {%", "{% iffy %}", "{ % if a % }"])
def test_other_percent_signs_are_text(text: str) -> None:
    assert compile_template(text, "t").render({}) == text
