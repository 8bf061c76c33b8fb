"""Every version of the format is accepted, and the lowest that has a pack's keys is named."""

from typing import Any

import pytest

from omnia_core.files.pack.parse import read_pack
from omnia_core.jsonvalue import JsonObject
from tests.core.packs import pack, prompt, text, with_prompt
from tests.core.whole_pack import WHOLE

EVAL = {"id": "e", "type": "t", "trigger": "every_turn"}
FLOW: JsonObject = {"version": 1, "entry": "s", "states": {"s": {"prompt_task": "a"}}}


def state(**changes: Any) -> JsonObject:
    return pack(workflow={**FLOW, "states": {"s": {"prompt_task": "a", **changes}}})


@pytest.mark.parametrize(
    ("value", "version"),
    [
        (pack(), "1.0"),
        (
            with_prompt(validators=[{"type": "max_length", "enabled": True, "params": {"max": 1}}]),
            "1.0",
        ),
        (with_prompt(media={"enabled": True}), "1.1"),
        (pack(evals=[EVAL]), "1.2"),
        (with_prompt(evals=[EVAL]), "1.2"),
        (state(), "1.3"),
        (pack(agents={"entry": "a", "members": {"a": {}}}), "1.3"),
        (pack(skills=["./s"]), "1.3.1"),
        (state(skills="none"), "1.3.1"),
        (state(max_visits=2), "1.4"),
        (pack(compositions={}), "1.5"),
        (pack(requires={"providers": ["judge"]}), "1.5.1"),
        (pack(metadata={"governance": {}}), "1.6"),
        (state(control="agent"), "1.7"),
        (pack(evals=[{**EVAL, "trigger": "on_workflow_step"}]), "1.7"),
        (with_prompt(validators=[{"type": "max_length", "params": {"max": 1}}]), "1.7"),
        (with_prompt(extensions={}), "1.8"),
        (pack(metadata={"governance": {"reviews": []}}), "1.8"),
        (pack(prompts={"a": prompt(provider="j")}, requires={"providers": ["j"]}), "1.9"),
        (WHOLE, "1.9"),
        (with_prompt(tool_policy={"max_rounds": 2}), "1.0"),
        (with_prompt(tool_policy={"max_cost_usd": 2}), ""),
    ],
)
def test_the_lowest_format_is_the_one_of_the_newest_key(value: JsonObject, version: str) -> None:
    outcome = read_pack(text(value))
    assert [each for each in outcome.issues if each.severity == "error"] == []
    assert outcome.format == version


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("https://promptpack.org/schema/v1.3/promptpack.schema.json", True),
        ("https://promptpack.org/schema/v1.3.1/promptpack.schema.json", True),
        ("https://promptpack.org/schema/v1.9.0/promptpack.schema.json", False),
        ("https://promptpack.org/schema/v1.10/promptpack.schema.json", False),
        ("https://promptpack.org/schema/latest/promptpack.schema.json", False),
        ("https://promptpack.org/schema/v1/promptpack.schema.json", False),
    ],
)
def test_a_pack_that_names_an_older_format_than_it_needs_is_told(named: str, told: bool) -> None:
    value = {**pack(metadata={"governance": {}}), "$schema": named}
    found = [str(each) for each in read_pack(text(value)).issues]
    assert bool(found) is told
    if told:
        assert found[0].startswith("$schema: names format 1.3")
        assert "metadata.governance came with 1.6" in found[0]
