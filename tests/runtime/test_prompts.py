"""Prompts as a pack declares them: variables, the time, overrides, policy, parameters."""

import itertools
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.errors import Code, ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import Parameters, ToolPolicy, parse_pack
from omnia_core.files.pack.compiled import (
    CompiledPrompt,
    VariableInvalid,
    compile_prompt,
    input_values,
)
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.prompts.offer import offer_tools
from tests.runtime.scripted import pack

NOON = datetime(2026, 3, 7, 9, 5, 1, 999, tzinfo=UTC)


def compiled(template: str, model: str = "", **prompt: Any) -> CompiledPrompt:
    text = orjson.dumps(pack(template, **prompt)).decode()
    return compile_prompt(parse_pack(text), "default", None, model)


def variable(kind: str = "string", **changes: Any) -> dict[str, Any]:
    return {"name": "v", "type": kind, "required": False, **changes}


def rendered(declared: dict[str, Any], value: Any) -> str:
    return compiled("{{v}}", variables=[declared]).render({"v": value})


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        ("string", "5", "5"),
        ("string", "{{v}}", "{{v}}"),
        ("number", "5", "5"),
        ("number", "-0.5e1", "-5.0"),
        ("boolean", "true", "true"),
        ("object", '{"a": [1]}', '{"a": [1]}'),
        ("array", '["x", {{v}}]'.replace("{{v}}", "1"), '["x", 1]'),
    ],
)
def test_a_text_of_a_client_is_read_into_the_declared_type(
    kind: str, written: str, expected: str
) -> None:
    assert rendered(variable(kind), written) == expected


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("string", 5, "must be a text"),
        ("number", "five", "must be a number"),
        ("number", "true", "must be a number"),
        ("number", "NaN", "must be a number"),
        ("boolean", "yes", "must be true or false"),
        ("boolean", 1, "must be true or false"),
        ("object", "[]", "must be a JSON object"),
        ("array", "{}", "must be a JSON array"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, value: Any, told: str) -> None:
    with pytest.raises(VariableInvalid, match=f'"v" {told}') as caught:
        rendered(variable(kind), value)
    assert caught.value.code is Code.INVALID_ARGUMENT


RULES: list[tuple[str, dict[str, Any], Any, Any, str]] = [
    ("string", {"pattern": "^[a-z]+$"}, "abc", "Abc", r"must match the pattern \^\[a-z\]\+\$"),
    ("string", {"pattern": "b"}, "abc", "ac", "must match the pattern b"),
    ("string", {"min_length": 2}, "äö", "ä", "must have at least 2 characters"),
    ("string", {"max_length": 2}, "👍👍", "abc", "must have at most 2 characters"),
    ("number", {"minimum": 0}, 0, -1, "must be at least 0"),
    ("number", {"maximum": 1.5}, "1.5", "1.6", "must be at most 1.5"),
    ("string", {"enum": ["low", "high"]}, "low", "mid", 'must be one of "low", "high"'),
    ("number", {"enum": [1, 2]}, 1, 3, "must be one of 1, 2"),
    ("array", {"enum": [[1], []]}, "[]", "[2]", r"must be one of \[1\], \[\]"),
]


@pytest.mark.parametrize(("kind", "rule", "good", "bad", "told"), RULES)
def test_validation_is_enforced(
    kind: str, rule: dict[str, Any], good: Any, bad: Any, told: str
) -> None:
    declared = variable(kind, validation=rule)
    rendered(declared, good)
    with pytest.raises(VariableInvalid, match=told):
        rendered(declared, bad)


@pytest.mark.parametrize(("kind", "rule", "good", "bad", "told"), RULES)
def test_a_default_that_breaks_its_own_rule_fails_at_load(
    kind: str, rule: dict[str, Any], good: Any, bad: Any, told: str
) -> None:
    value = orjson.loads(bad) if kind != "string" and isinstance(bad, str) else bad
    declared = variable(kind, validation=rule, default=value)
    with pytest.raises(ConfigurationError, match=rf'variables\[0\].default: .* "v" {told}'):
        compiled("{{v}}", variables=[declared])


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (variable(validation={"pattern": "(?=a)"}), "refused by RE2"),
        (
            variable(validation={"min_length": 3, "max_length": 2}),
            "min_length 3 is above max_length",
        ),
        (variable("number", validation={"minimum": 1, "maximum": 0}), "no value can satisfy it"),
        (variable(validation={"enum": []}), "enum is empty"),
        (variable("number", default="5"), "the default of"),
        (variable("boolean", default=1), "must be true or false"),
    ],
)
def test_a_variable_that_no_value_can_satisfy_fails_at_load(
    declared: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        compiled("x", variables=[declared])


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        ("string", "x {{v}}", "x {{v}}"),
        ("number", 0, "0"),
        ("number", 2.5, "2.5"),
        ("boolean", False, "false"),
        ("object", {"a": None}, '{"a": null}'),
        ("array", [], "[]"),
        ("uuid", 7, "7"),
    ],
)
def test_a_default_may_have_every_type_of_json(kind: str, default: Any, expected: str) -> None:
    prompt = compiled("{{v}}", variables=[variable(kind, default=default)])
    assert prompt.render({}) == expected
    assert prompt.render({"v": None}) == expected


def test_a_missing_required_variable_is_an_error_that_names_it_and_never_another_prompt() -> None:
    prompt = compiled("{{v}}", variables=[variable(required=True)])
    for given_values in ({}, {"v": ""}, {"v": None}):
        with pytest.raises(VariableInvalid, match='"v" is required and has no value') as caught:
            prompt.render(given_values)
        assert caught.value.code is Code.INVALID_ARGUMENT


def test_an_optional_variable_without_a_value_is_empty() -> None:
    assert compiled("<{{v}}{{v.a.b}}>", variables=[variable("object")]).render({}) == "<>"
    assert compiled("<{{v}}>", variables=[variable()]).render({"v": ""}) == "<>"


TIMES = "{{current_time}} {{current_date}} {{current_year}} {{current_month}} {{current_weekday}} "


def test_templates_may_name_the_time_without_declaring_it() -> None:
    prompt = compiled(TIMES + "{{current_hour}}")
    assert (
        prompt.render({}, lambda: NOON) == "2026-03-07T09:05:01Z 2026-03-07 2026 March Saturday 09"
    )
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    assert prompt.render({}, lambda: berlin).startswith("2026-03-07T10:05:01+01:00 ")


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"type": "string", "required": False, "default": "unknown"}, "2026"),
        ({"type": "string", "required": True}, "2026"),
        ({"type": "number", "required": False, "default": 1999}, "2026"),
        ({"type": "object", "required": False, "default": {"own": 1}}, '{"own": 1}'),
        (
            {"type": "string", "required": False, "default": "x", "validation": {"enum": ["x"]}},
            "x",
        ),
    ],
)
def test_a_prompt_that_declares_the_time_gets_it_where_it_fits(
    declared: dict[str, Any], expected: str
) -> None:
    prompt = compiled("{{current_year}}", variables=[{"name": "current_year", **declared}])
    assert prompt.render({}, lambda: NOON) == expected


def test_what_is_given_wins_over_the_time_and_that_over_a_default() -> None:
    declared = {"name": "current_year", "type": "string", "required": False, "default": "1999"}
    prompt = compiled("{{current_year}}", variables=[declared])
    assert prompt.render({"current_year": "2001"}, lambda: NOON) == "2001"
    assert prompt.render({"current_year": None}, lambda: NOON) == "2026"


def test_a_client_cannot_set_the_time_of_a_prompt_that_does_not_declare_it() -> None:
    assert compiled("{{current_year}}").declared({"current_year": "1999"}) == {}


OVERRIDES = {
    "a": {"system_template_prefix": "<", "system_template_suffix": ">"},
    "b": {"system_template": "other {{v}}", "system_template_prefix": "* "},
    "c": {"parameters": {"temperature": 0, "top_k": 1}},
}


@pytest.mark.parametrize(
    ("model", "expected"),
    [("", "base V"), ("unknown", "base V"), ("a", "<base V>"), ("b", "* other V"), ("c", "base V")],
)
def test_the_override_of_the_model_is_applied(model: str, expected: str) -> None:
    prompt = compiled("base {{v}}", model, variables=[variable()], model_overrides=OVERRIDES)
    assert prompt.render({"v": "V"}) == expected


def test_parameters_of_an_override_win_and_zero_is_a_value() -> None:
    own = {"temperature": 1.0, "max_tokens": 9, "top_p": 0, "presence_penalty": -1}
    changes: dict[str, Any] = {"parameters": own, "model_overrides": OVERRIDES}
    assert compiled("x", **changes).parameters == Parameters(1.0, 9, 0, None, None, -1)
    assert compiled("x", "c", **changes).parameters == Parameters(0, 9, 0, 1, None, -1)
    assert compiled("x").parameters == Parameters()


def test_a_broken_template_of_an_override_fails_at_load_whatever_model_answers() -> None:
    with pytest.raises(
        ConfigurationError, match=r"model_overrides\.m: \{\{a b\}\} is not a placeho"
    ):
        compiled("x", model_overrides={"m": {"system_template": "{{a b}}"}})


def test_the_tool_policy_of_the_pack_reaches_the_turn() -> None:
    policy = {"tool_choice": "none", "max_rounds": 2, "max_calls_per_minute": 7}
    assert compiled("x", tool_policy=policy).policy == ToolPolicy(
        tool_choice="none", max_rounds=2, max_calls_per_minute=7
    )
    assert compiled("x").policy == ToolPolicy()


def test_a_blocked_tool_is_not_offered_even_when_the_prompt_lists_it() -> None:
    parsed = parse_pack(
        orjson.dumps(
            pack(tools=["drop", "get_*"], tool_policy={"blocklist": ["drop", "get_b"]})
        ).decode()
    )
    registry = {name: ToolSpec(name, "", {}) for name in ("drop", "get_a", "get_b")}
    found = offer_tools(parsed, parsed.prompts["main"], registry)
    assert [tool.name for tool in found.tools] == ["get_a"]
    assert found.missing == ()


@pytest.mark.parametrize("spelling", ["{{fragments.tone}}", "{{fragment:tone}}", "{{tone}}"])
def test_fragments_survive_the_way_from_the_pack_to_the_model(spelling: str) -> None:
    prompt = compiled(
        spelling,
        fragments={"tone": "Be {{mood}}.", "mood": "kind to {{v}}"},
        variables=[variable()],
    )
    assert prompt.render({"v": "{{mood}}"}) == "Be kind to {{mood}}."


@pytest.mark.parametrize(
    "template",
    ["{% if v %}x{% endif %}", "{%- for a in b -%}", "{{ v | upper }}", "{{#if v}}", "{{#each v}}"],
)
def test_logic_in_a_template_is_refused_with_what_is_supported(template: str) -> None:
    with pytest.raises(ConfigurationError, match="no conditionals, loops or filters"):
        compiled(f"Hi {template}", variables=[variable()])


def test_text_that_looks_like_logic_can_stand_in_a_default() -> None:
    text = "{% if a %}{{b | c}}{% endif %}"
    assert compiled("Write {{v}}", variables=[variable(default=text)]).render({}) == f"Write {text}"
    assert compiled("100 {%} of {% x").render({}) == "100 {%} of {% x"


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["{{v}}", "{{w}}", "{{"]),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=5,
)


@given(ANY_JSON)
def test_a_value_is_never_expanded_whatever_it_holds(value: Any) -> None:
    variables = [variable("any"), {**variable(default="SECRET"), "name": "w"}]
    shown = compiled("<{{v}}>{{fragments.f}}", variables=variables, fragments={"f": "{{v}}"})
    text = shown.render({"v": value})
    assert "SECRET" not in text
    if isinstance(value, str):
        assert text == f"<{value}>{value}"


@given(st.text(alphabet=st.sampled_from("{}%v w|.[]0#")))
def test_what_a_user_writes_is_never_a_template(written: str) -> None:
    function = FunctionFile("f", {"type": "object", "properties": {"text": {}}}, {})
    parsed = parse_pack(orjson.dumps(pack("{{text}}|{{input}}")).decode())
    prompt = compile_prompt(parsed, "default", function)
    given_input = orjson.dumps({"text": written}).decode()
    shown = prompt.render(input_values(given_input))
    assert shown.startswith(f"{written}|")


def test_rendering_does_not_depend_on_the_order_of_the_values() -> None:
    names = ["a", "b", "c"]
    prompt = compiled("{{a}}{{b}}{{c}}", variables=[{**variable(), "name": name} for name in names])
    values = {"a": "{{b}}", "b": "{{c}}", "c": "{{a}}"}
    orders = (dict(order) for order in itertools.permutations(values.items()))
    assert {prompt.render(order) for order in orders} == {"{{b}}{{c}}{{a}}"}
