"""The condition of a PromptPack says what in its content looks wrong."""

import json

from omnia_operator.status.pack import remarks
from tests.operator.world import PACK


def test_a_whole_pack_is_said_to_need_its_format() -> None:
    assert remarks(json.dumps(PACK)) == "PromptPack format 1.0 or later"
    assert remarks(json.dumps({**PACK, "skills": ["./s"]})) == "PromptPack format 1.3.1 or later"


def test_keys_that_the_format_lacks_are_named_and_many_are_counted() -> None:
    told = remarks(json.dumps({**PACK, "toolz": {}}))
    assert told.endswith('toolz: there is no key "toolz" here; did you mean "tools"?')
    many = remarks(json.dumps({**PACK, **{f"x{index}": 1 for index in range(9)}}))
    assert many.endswith("; 6 more: run omnia validate to list them")


def test_additions_of_ours_are_no_format() -> None:
    prompt = {**PACK["prompts"]["main"], "tool_policy": {"max_cost_usd": 1}}
    told = remarks(json.dumps({**PACK, "prompts": {"main": prompt}}))
    assert told == "with keys that only Omnia knows"


def test_content_that_is_no_json_has_no_remarks() -> None:
    assert remarks("{") == ""
