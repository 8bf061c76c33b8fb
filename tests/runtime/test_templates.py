"""Templates, fragments and variables."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import parse_pack
from omnia_core.files.pack.compiled import (
    CompiledPrompt,
    VariableInvalid,
    compile_prompt,
    input_values,
)
from omnia_core.templates import ValueMissing, compile_template
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.prompts.offer import offer_tools
from tests.runtime.scripted import pack

VALUES = {
    "name": "Ada",
    "user": {"profile": {"name": "Bob"}},
    "items": [{"title": "first"}, {"title": "second"}],
    "count": 3,
    "ok": True,
    "text": "ä {{name}}",
    "list": ["ä", None],
}


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("plain", "plain"),
        ("Hi {{name}}!", "Hi Ada!"),
        ("{{ name }}", "Ada"),
        ("{{user.profile.name}}", "Bob"),
        ("{{items[1].title}} {{items.0.title}}", "second first"),
        ("{{count}} {{ok}}", "3 true"),
        ("{{user}}", '{"profile": {"name": "Bob"}}'),
        ("{{list}}", '["ä", null]'),
        ("{{text}}", "ä {{name}}"),
        ("{ {name} } }} {{", "{ {name} } }} {{"),
    ],
)
def test_a_template_renders(template: str, rendered: str) -> None:
    assert compile_template(template, "t").render(VALUES) == rendered


@pytest.mark.parametrize("bad", ["{{#if a}}", "{{a b}}", "{{}}", "{{a..b}}", "{{a | upper}}"])
def test_what_is_no_placeholder_fails_at_load(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="not a placeholder"):
        compile_template(bad, "t")


def test_a_missing_value_is_named() -> None:
    with pytest.raises(ValueMissing, match=r"user\.age"):
        compile_template("{{user.age}}", "t").render(VALUES)


@given(st.text(), st.text())
def test_values_are_never_expanded(first: str, second: str) -> None:
    template = compile_template("<{{a}}|{{b}}>", "t")
    values = {"a": first + "{{b}}", "b": second + "{{a}}", "c": "secret"}
    assert template.render(values) == f"<{first}{{{{b}}}}|{second}{{{{a}}}}>"


@pytest.mark.parametrize("spelling", ["{{fragments.tone}}", "{{fragment:tone}}", "{{tone}}"])
def test_fragments_are_expanded_in_three_spellings(spelling: str) -> None:
    fragments = {"tone": "Be {{mood}}.", "mood": "kind to {{name}}"}
    assert compile_template(spelling, "t", fragments).render(VALUES) == "Be kind to Ada."


@pytest.mark.parametrize(
    ("fragments", "message"),
    [
        ({"a": "{{b}}", "b": "{{fragment:a}}"}, "a > b > a"),
        ({"a": "{{fragments.c}}"}, 'no fragment "c"'),
    ],
)
def test_broken_fragments_fail_at_load(fragments: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compile_template("{{a}}", "t", fragments)


def compiled(template: str, function: FunctionFile | None = None, **prompt: Any) -> CompiledPrompt:
    text = orjson.dumps(pack(template, **prompt)).decode()
    return compile_prompt(parse_pack(text), "default", function)


VARIABLES = [
    {"name": "shop", "type": "string", "required": True},
    {"name": "limit", "type": "number", "required": False, "default": 5},
    {"name": "note", "type": "string", "required": False},
    {"name": "user", "type": "object", "required": False, "default": {"name": "Ada"}},
]


@pytest.mark.parametrize(
    ("given_values", "rendered"),
    [
        ({"shop": "W"}, "W 5  Ada"),
        ({"shop": "{{limit}}", "note": "n"}, "{{limit}} 5 n Ada"),
        ({"shop": "W", "limit": "0", "user": '{"name": "Bo"}'}, "W 0  Bo"),
    ],
)
def test_variables_come_from_defaults_and_the_client(
    given_values: dict[str, str], rendered: str
) -> None:
    prompt = compiled("{{shop}} {{limit}} {{note}} {{user.name}}", variables=VARIABLES)
    assert prompt.render(prompt.declared({**given_values, "other": "x"})) == rendered


@pytest.mark.parametrize(
    ("values", "named"),
    [({}, "shop"), ({"shop": ""}, "shop"), ({"shop": "W", "limit": "x"}, "limit")],
)
def test_a_missing_or_mistyped_variable_is_named(values: dict[str, str], named: str) -> None:
    with pytest.raises(VariableInvalid, match=f'"{named}"'):
        compiled("{{shop}}{{limit}}", variables=VARIABLES).render(values)


def test_an_undeclared_placeholder_fails_at_load_and_names_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match=r"\{\{shopp\}\} is not declared.*shop"):
        compiled("{{shopp}}", variables=VARIABLES)


def test_a_function_renders_its_input_and_each_field() -> None:
    schema = {"type": "object", "properties": {"text": {}, "words": {}}, "required": ["text"]}
    prompt = compiled("{{text}}|{{words}}|{{input}}", FunctionFile("f", schema, {}))
    assert prompt.render(input_values('{"text":"a {{x}}"}')) == 'a {{x}}||{"text": "a {{x}}"}'
    with pytest.raises(ConfigurationError, match="other"):
        compiled("{{other}}", FunctionFile("f", schema, {}))


@pytest.mark.parametrize(
    ("listed", "blocked", "offered", "missing"),
    [
        ([], [], ["get_a", "get_b", "put"], ()),
        (["put"], [], ["put"], ()),
        (["get_*"], ["get_a"], ["get_b"], ()),
        (["put", "none"], [], ["put"], ("none",)),
    ],
)
def test_tools_are_offered_by_the_prompts_list(
    listed: list[str], blocked: list[str], offered: list[str], missing: tuple[str, ...]
) -> None:
    content = pack(tools=listed, tool_policy={"blocklist": blocked})
    parsed = parse_pack(orjson.dumps(content).decode())
    registry = {name: ToolSpec(name, "", {}) for name in ("put", "get_b", "get_a")}
    found = offer_tools(parsed, parsed.prompts["main"], registry)
    assert [tool.name for tool in found.tools] == offered
    assert found.missing == missing


def test_the_registry_describes_a_tool_and_the_pack_fills_in() -> None:
    parameters = {"type": "object", "properties": {"id": {"type": "string"}}}
    tools = {"a": {"name": "a", "description": "pack", "parameters": parameters}}
    parsed = parse_pack(orjson.dumps(pack(pack_tools=tools)).decode())
    own = {"type": "object", "properties": {"x": {}}}
    for spec, expected in [
        (ToolSpec("a", "", {"type": "object"}), ToolSpec("a", "pack", parameters)),
        (ToolSpec("a", "own", own), ToolSpec("a", "own", own)),
    ]:
        assert offer_tools(parsed, parsed.prompts["main"], {"a": spec}).tools == (expected,)
