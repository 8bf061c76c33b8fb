"""Names in messages: a few of them, and the one that was meant, whatever a document holds."""

import difflib
from typing import Any

import pytest

from omnia_core import suggestions
from omnia_core.files.pack import issues
from omnia_core.files.pack.parse import read_pack
from omnia_core.jsonvalue import JsonObject
from omnia_core.suggestions import listed, most_similar
from tests.core.packs import pack, prompt, text

MANY = 500
WRONG = [f"get_teh_{number}" for number in range(MANY)]
TOOLS = {
    name: {"name": name, "description": "d", "parameters": {"type": "object", "properties": {}}}
    for name in (f"get_the_{number}" for number in range(MANY))
}
STATES = {f"state_{number}": {"prompt_task": "a"} for number in range(MANY)}


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (2, "0, 1"),
        (10, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (12, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"),
    ],
)
def test_ten_names_are_listed_and_the_others_counted(count: int, text: str) -> None:
    assert listed([str(number) for number in range(count)]) == text


def test_a_long_name_is_listed_without_its_middle() -> None:
    assert len(listed(["a" * 100_000] * 3)) < 1000


def test_a_bounded_part_of_the_names_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def counted(name: str, known: list[str], **options: Any) -> list[str]:
        compared.append(len(known) * max(map(len, [name, *known])))
        return [known[0]]

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    assert most_similar("nmae", ["x" * 1000, *(f"name{number}" for number in range(100_000))])
    assert most_similar("n" * 65, ["name"]) == ""
    (work,) = compared
    assert work <= 1000 * 64


@pytest.mark.parametrize(
    "content",
    [
        pack(prompts={"a": prompt(tools=WRONG)}, tools=TOOLS),
        pack(
            prompts={name: prompt(id=name, provider=name) for name in WRONG},
            requires={"providers": [{"key": name} for name in TOOLS]},
        ),
        pack(
            workflow={
                "version": 1,
                "entry": "state_0",
                "states": {
                    **STATES,
                    "state_0": {"prompt_task": "a", "on_event": dict.fromkeys(WRONG, "stat_1")},
                },
            }
        ),
        pack(
            compositions={
                "c": {
                    "version": 1,
                    "steps": [
                        {"id": name, "kind": "prompt", "prompt_task": "a", "depends_on": ["stp"]}
                        for name in WRONG
                    ],
                }
            }
        ),
        pack(
            prompts={
                name: prompt(id=name, system_template=f"{{{{fragments.{name}}}}}") for name in WRONG
            },
            fragments=dict.fromkeys(TOOLS, "x"),
        ),
    ],
    ids=["tools", "providers", "states", "steps", "fragments"],
)
def test_a_pack_of_wrong_names_costs_as_much_as_it_is_large(
    content: JsonObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []

    def search(name: str, _known: object) -> str:
        searched.append(name)
        return ""

    monkeypatch.setattr(issues, "most_similar", search)
    found = read_pack(text(content)).issues
    # Who meant what is looked for only where somebody reads it.
    assert not searched
    assert len(found) >= MANY
    assert max(len(issue.message) for issue in found) < 3000
    assert len({str(issue) for issue in found}) == len(found)
    assert suggestions.MAX_FINDINGS < MANY
