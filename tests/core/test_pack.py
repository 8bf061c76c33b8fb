"""A PromptPack is read, and what is wrong with it is said with its place."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import Pack, parse_pack
from omnia_core.files.pack.check import may_have
from omnia_core.files.pack.issues import differences
from omnia_core.files.pack.parse import read_pack
from omnia_core.jsonvalue import JsonObject
from tests.core.packs import pack, prompt, text, with_prompt
from tests.core.whole_pack import WHOLE

TWO: JsonObject = {"a": prompt(), "b": prompt(id="b")}


def parsed(**changes: Any) -> Pack:
    return parse_pack(text(pack(**changes)))


def warnings(value: JsonObject) -> list[str]:
    outcome = read_pack(text(value))
    assert outcome.pack is not None
    assert [str(each) for each in outcome.issues if each.severity == "error"] == []
    return [str(each) for each in outcome.issues]


def errors(value: JsonObject) -> list[str]:
    """The errors, which are those with which a pod refuses the pack."""
    found = [str(each) for each in read_pack(text(value)).issues if each.severity == "error"]
    if found:
        with pytest.raises(ConfigurationError) as caught:
            parse_pack(text(value), "pack.json")
        assert caught.value.message.startswith(f"pack.json: {found[0]}")
    else:
        parse_pack(text(value))
    return found


def test_a_pack_with_every_key_of_every_format_is_accepted_without_complaint() -> None:
    assert warnings(WHOLE) == []


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a JSON value."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, each in items:
        yield (*path, key)
        yield from places(each, (*path, key))


def changed(value: JsonObject, path: tuple[str | int, ...], new: object) -> JsonObject:
    """A copy with another value in one place; the rest of it is the original."""
    result: Any = copy.copy(value)
    inside = result
    for step in path[:-1]:
        inside[step] = copy.copy(inside[step])
        inside = inside[step]
    inside[path[-1]] = new
    copied: JsonObject = result
    return copied


WRONG = (-1, 2.5, "", True, None, [None], {"x": None})


@pytest.mark.parametrize("offset", [0, 2, 4])
def test_what_is_called_valid_loads_in_a_pod_and_what_does_not_load_is_named(offset: int) -> None:
    for number, path in enumerate(places(WHOLE)):
        value = text(changed(WHOLE, path, WRONG[(number + offset) % len(WRONG)]))
        named = [each for each in read_pack(value).issues if each.severity == "error"]
        try:
            parse_pack(value)
        except ConfigurationError:
            assert named, path
            assert all(each.message for each in named), path
            assert not named[0].message.startswith("Expected"), path
        else:
            assert named == [], path


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text(max_size=3),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.text(max_size=3), inside),
    max_leaves=4,
)


@given(st.sampled_from(list(places(WHOLE))), JSON)
def test_the_type_of_a_pack_and_the_list_of_its_errors_agree(
    path: tuple[str | int, ...], new: object
) -> None:
    value = text(changed(WHOLE, path, new))
    try:
        msgspec.json.decode(value, type=Pack)
        decodes = True
    except msgspec.ValidationError:
        decodes = False
    outcome = read_pack(value)
    assert (outcome.pack is not None) == decodes
    named = list(differences(msgspec.json.decode(value), Pack, may_have))
    assert any(each.severity == "error" for each in named) != decodes


DEEP = 200_000
DEEPEST = 190
STEP = {"id": "s", "kind": "branch", "then": "s", "predicate": "HERE"}


@pytest.mark.parametrize("read", [parse_pack, read_pack])
@pytest.mark.parametrize(
    ("value", "deep"),
    [
        (pack(metadata={"deep": "HERE"}), "[" * DEEP + "]" * DEEP),
        (
            pack(compositions={"c": {"version": 1, "steps": [STEP]}}),
            '{"not":' * DEEP + "{}" + "}" * DEEP,
        ),
    ],
    ids=["lists", "predicates"],
)
def test_a_pack_that_is_nested_too_deeply_is_refused(
    read: Callable[[str, str], object], value: JsonObject, deep: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"pack\.json is nested deeper than 200 levels"):
        read(text(value).replace('"HERE"', deep), "pack.json")


@pytest.mark.parametrize("read", [parse_pack, read_pack])
def test_a_pack_is_read_up_to_the_largest_depth(read: Callable[[str, str], object]) -> None:
    predicate = '{"not":' * DEEPEST + '{"path":"a","exists":true}' + "}" * DEEPEST
    value = pack(compositions={"c": {"version": 1, "steps": [STEP]}})
    read(text(value).replace('"HERE"', predicate), "pack.json")


def test_null_is_no_limit_for_top_k_and_a_warning_elsewhere() -> None:
    assert warnings(with_prompt(parameters={"top_k": None})) == []
    (found,) = warnings(with_prompt(parameters={"top_p": None}))
    assert found == "prompts.a.parameters.top_p: null is read as not set: leave the key out"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"id": "p",\n  oops}', "line 2 column 3"),
        ("[]", "(root): expected an object, found a list without content"),
        ("null", "(root): expected an object, found null"),
    ],
)
def test_a_text_that_is_no_pack_says_where(written: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_pack(written, "pack.json")
    assert expected in caught.value.message
    assert caught.value.message.startswith("pack.json")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (pack(id="Pack"), "id: expected small letters, digits and hyphens, a letter first, 100"),
        (pack(id="p\n"), "id: expected small letters"),
        (pack(id="p" * 101), "id: expected small letters"),
        (pack(name=""), "name: expected a text of 1 to 200 characters"),
        (pack(version="1.0"), 'version: expected a semantic version such as "1.0.0", found "1.0"'),
        (pack(version="01.0.0"), "version: expected a semantic version"),
        (pack(description="d" * 5001), "description: expected a text of 5000 characters at most"),
        (pack(prompts={}), "prompts: expected an object with 1 at least, found an object without"),
        (pack(prompts={"a": {}}), 'prompts.a: the key "id" is missing: add it, small letters'),
        (
            pack(template_engine={"version": "v1", "syntax": "{{v}}", "features": ["magic"]}),
            'template_engine.features[0]: expected one of "basic_substitution", "fragments"',
        ),
        (with_prompt(system_template=5), "prompts.a.system_template: expected a text that is not"),
        (with_prompt(tools="lookup"), 'prompts.a.tools: expected a list, found "lookup"'),
        (with_prompt(tools=["a", 1]), "prompts.a.tools[1]: expected a text, found 1"),
        (
            with_prompt(parameters={"temperature": 3}),
            "prompts.a.parameters.temperature: expected a number from 0 to 2, found 3",
        ),
        (
            with_prompt(parameters={"max_tokens": 1.5}),
            "prompts.a.parameters.max_tokens: expected a whole number from 1, found 1.5",
        ),
        (
            with_prompt(tool_policy={"tool_choice": "any"}),
            'prompts.a.tool_policy.tool_choice: expected one of "auto", "required", "none", found',
        ),
        (
            with_prompt(tool_policy={"max_cost_usd": 0}),
            "prompts.a.tool_policy.max_cost_usd: expected a number above 0, found 0",
        ),
        (
            with_prompt(variables=[{"name": "a b", "type": "string", "required": True}]),
            "prompts.a.variables[0].name: expected letters, digits and underscores",
        ),
        (
            with_prompt(variables=[{"name": "a", "type": "string"}]),
            'prompts.a.variables[0]: the key "required" is missing: add it, true or false',
        ),
        (
            pack(compilation={"compiled_with": "p", "created_at": "yesterday", "schema": "v1"}),
            'compilation.created_at: expected a time such as "2026-01-31T12:00:00Z"',
        ),
        (
            pack(metadata={"language": "english"}),
            'metadata.language: expected a language of two letters such as "en"',
        ),
        (
            pack(metadata={"governance": {"autonomy_level": "wild"}}),
            "metadata.governance.autonomy_level: expected one of",
        ),
        (
            pack(
                metadata={
                    "governance": {
                        "obligations": [{"id": "o", "obligation": "x", "controls": [{}]}]
                    }
                }
            ),
            "metadata.governance.obligations[0].controls[0]: expected one of: field, validator",
        ),
        (
            pack(evals=[{"id": "e", "type": "t", "trigger": "x", "sample_percentage": 101}]),
            "evals[0].sample_percentage: expected a number from 0 to 100, found 101",
        ),
        (
            pack(tools={"t": {"name": "t", "description": "d", "parameters": {"type": "array"}}}),
            'tools.t.parameters.type: expected "object"',
        ),
        (
            pack(template_engine={"version": "v1", "syntax": "${variable}"}),
            'template_engine.syntax: "${variable}" is not supported: write {{variable}}',
        ),
        (
            with_prompt(validators=[{"type": "max_length", "params": {"max": "x"}}]),
            "prompts.a.validators[0].params.max: ",
        ),
        (with_prompt(validators=[{"type": "pii_leakge"}]), "prompts.a.validators[0].type: "),
        (with_prompt(provider="judge"), 'prompts.a.provider: "judge" is not a key of requires'),
        (
            pack(requires={"providers": ["x", "x"]}),
            'requires.providers[1]: the key "x" is listed twice',
        ),
        (
            pack(compositions={"c": {"version": 2, "steps": []}}),
            "compositions.c.version: expected 1, found 2",
        ),
    ],
)
def test_what_the_format_forbids_is_an_error_with_its_place(value: JsonObject, error: str) -> None:
    found = errors(value)
    assert found
    assert found[0].startswith(error)


def test_every_wrong_validator_is_listed() -> None:
    wrong = [{"type": "pii_leakge"}, {"type": "json_valid"}, {"type": "min_length"}]
    found = errors(with_prompt(validators=wrong))
    assert [error.partition(": ")[0] for error in found] == [
        "prompts.a.validators[0].type",
        "prompts.a.validators[2].params.min",
    ]


def test_every_error_is_listed_and_not_only_the_first() -> None:
    value = pack(id="P", version="1", prompts={"a": prompt(id=1, name="", version="x")})
    found = errors(value)
    assert [each.partition(":")[0] for each in found] == [
        "id", "version", "prompts.a.id", "prompts.a.name", "prompts.a.version",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "warning"),
    [
        (pack(promts={}), 'promts: there is no key "promts" here; did you mean "prompts"?'),
        (
            with_prompt(paramters={"temperature": 1}),
            'prompts.a.paramters: there is no key "paramters" here; did you mean "parameters"?',
        ),
        (with_prompt(parameters={"seed": 1}), 'prompts.a.parameters.seed: there is no key "seed"'),
        (with_prompt(tool_policy=None), "prompts.a.tool_policy: null is read as not set"),
        (
            pack(
                prompts={"a": prompt(tools=["lokup", "other_*"])},
                tools={"lookup": {"name": "lookup", "description": "d"}},
            ),
            (
                'prompts.a.tools[0]: there is no tool "lokup" here; it is offered if the'
                ' ToolRegistry has it; did you mean "lookup"?'
            ),
        ),
        (
            pack(template_engine={"version": "v1", "syntax": "mustache"}),
            'template_engine.syntax: "mustache": only {{variable}} is filled in',
        ),
        (
            pack(template_engine={"version": "1", "syntax": "{{ v }}", "features": ["loops"]}),
            "template_engine.features[0]: loops are not supported",
        ),
        (
            with_prompt(variables=[{"name": "a", "type": "integer", "required": False}]),
            "prompts.a.variables[0].type: expected string, number, boolean, object, array",
        ),
        (
            pack(tools={"a": {"name": "b", "description": "d"}}),
            'tools.a.name: "b" differs from its key',
        ),
        (
            with_prompt(media={"enabled": True, "supported_types": ["audio"], "image": {}}),
            "prompts.a.media.image: supported_types does not list image",
        ),
    ],
)
def test_what_looks_wrong_is_a_warning_and_the_pack_loads(value: JsonObject, warning: str) -> None:
    (found,) = warnings(value)
    assert found.startswith(warning)
    parse_pack(text(value))


def test_media_of_a_type_of_the_authors_own_are_no_typing_error() -> None:
    value = {"enabled": True, "supported_types": ["scan3d"], "scan3d": {"max_size_mb": 5}}
    assert warnings(with_prompt(media=value)) == []
    (found,) = warnings(with_prompt(media={"enabled": True, "imagee": {}}))
    assert 'did you mean "image"?' in found


@pytest.mark.parametrize(
    ("changes", "name", "chosen"),
    [
        ({}, "default", "a"),
        ({"prompts": TWO}, "b", "b"),
        (
            {
                "prompts": TWO,
                "workflow": {"version": 1, "entry": "s", "states": {"s": {"prompt_task": "b"}}},
            },
            "a",
            "b",
        ),
        ({"prompts": TWO, "agents": {"entry": "b", "members": {"b": {}}}}, "a", "b"),
    ],
)
def test_the_entry_of_a_pack_is_declared_or_the_only_one_or_named(
    changes: JsonObject, name: str, chosen: str
) -> None:
    assert parsed(**changes).prompt(name).id == chosen


def test_an_entry_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="it has: a, b"):
        parsed(prompts=TWO).prompt("default")


def test_what_a_pack_declares_and_nothing_acts_on_is_listed() -> None:
    whole = parse_pack(text(WHOLE))
    assert [each.partition(":")[0] for each in whole.not_applied()] == [
        "skills",
        "compositions",
        "agents",
        "workflow (but for the prompt of its entry)",
        "prompts.help.pipeline",
        "prompts.help.variables.tier.binding",
        "prompts.help.media.audio.max_duration_sec",
        "prompts.help.media.video.require_metadata",
        "prompts.help.media.document.max_pages",
    ]
    assert parsed().not_applied() == []


def test_all_six_parameters_survive_and_zero_is_a_value() -> None:
    parameters = parse_pack(text(WHOLE)).prompts["help"].parameters
    assert parameters is not None
    assert parameters.temperature == 0
    assert (parameters.max_tokens, parameters.top_p, parameters.top_k) == (1, 1.0, 40)
    assert (parameters.frequency_penalty, parameters.presence_penalty) == (-2, 2)


def test_a_pod_reads_a_pack_without_the_libraries_that_check_schemas_and_patterns() -> None:
    program = (
        "import sys, omnia_core.files.pack as p; p.parse_pack(sys.stdin.read());"
        "print([m for m in ('jsonschema_rs', 're2', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(pack()),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
