"""A pack that is valid in itself may still not fit the agent that wants it."""

import json
from typing import Any

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_operator.resolve import resolve
from tests.operator import objects, world

SCHEMA: JsonObject = {"type": "object", "properties": {"text": {"type": "string"}}}
FUNCTION: JsonObject = {
    "mode": "function",
    "facade": {"type": "grpc"},
    "inputSchema": SCHEMA,
    "outputSchema": {"type": "object"},
}


def problems(spec: JsonObject, **changes: Any) -> list[tuple[str, str, str]]:
    """What is wrong with an agent whose pack has something else."""
    content = {**world.PACK, **changes}
    maps = {"pack-json": {"pack.json": json.dumps(content)}}
    there = world.found(objects.pack(), objects.provider(), config_maps=maps)
    outcome = resolve(world.agent(objects.agent(spec)), there)
    found = outcome if isinstance(outcome, tuple) else ()
    return [(each.condition, each.reason, each.message) for each in found]


def prompt(**changes: Any) -> JsonObject:
    return {"main": {**world.PACK["prompts"]["main"], **changes}}


def test_a_placeholder_that_no_turn_can_fill_is_a_problem_of_the_agent() -> None:
    ((condition, reason, message),) = problems({}, prompts=prompt(system_template="Read {{text}}"))
    assert (condition, reason) == ("PromptPackReady", "PromptPackInvalid")
    assert message.startswith(
        'PromptPack "pack" 1.0.0: prompts.main.system_template: {{text}} is not declared'
    )


def test_a_function_gives_the_fields_of_its_input_to_the_template() -> None:
    text = "Read {{text}}, {{input}} at {{current_time}}"
    assert problems(FUNCTION, prompts=prompt(system_template=text)) == []
    ((_, _, message),) = problems(FUNCTION, prompts=prompt(system_template="{{other}}"))
    assert "the prompt knows: current_date" in message
    assert ", input, text" in message


def test_the_template_of_every_override_must_fit() -> None:
    overrides = {"m": {"system_template_suffix": "{{text}}"}}
    ((_, _, message),) = problems({}, prompts=prompt(model_overrides=overrides))
    assert "{{text}} is not declared" in message


@pytest.mark.parametrize(
    ("requires", "provider"),
    [
        (["judge"], None),
        ([{"key": "judge", "role": "llm"}], None),
        ([{"key": "judge", "role": "llm", "required": False}], "judge"),
    ],
)
def test_a_provider_that_the_pack_needs_must_be_bound(
    requires: list[Any], provider: str | None
) -> None:
    changes = prompt(provider=provider) if provider else prompt()
    ((condition, _, message),) = problems({}, prompts=changes, requires={"providers": requires})
    assert condition == "PromptPackReady"
    assert message == (
        'PromptPack "pack" 1.0.0 needs a provider "judge" (the agent has: default):'
        " add it to spec.providers"
    )


def test_a_provider_that_may_be_missing_and_the_default_need_no_binding() -> None:
    optional = [{"key": "judge", "role": "llm", "required": False}, "default"]
    assert problems({}, prompts=prompt(provider="default"), requires={"providers": optional}) == []


@pytest.mark.parametrize(
    ("system", "told"),
    [
        ("Greet {{name}}.", "spec.prompt.system: {{name}} is not declared"),
        ("{% if a %}x{% endif %}", "system_template: {% if a %} is not supported"),
        ("{{a b}}", "system_template: {{a b}} is not a placeholder"),
    ],
)
def test_an_inline_prompt_is_checked_like_a_pack(system: str, told: str) -> None:
    document = objects.agent({"promptPackRef": None, "prompt": {"system": system}})
    ((condition, _, message),) = world.problems(document, world.found(objects.provider()))
    assert condition == "PromptPackReady"
    assert told in message
