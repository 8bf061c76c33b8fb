"""A test on a real cluster waits for what it states about conditions and Events."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CLUSTER = Path(__file__).parents[1] / "cluster"
# What the operator writes some time after a change.
WRITTEN_LATER = {"condition", "events", "discovered"}


def at_once(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a body runs by itself, without the checks that it hands to a wait."""
    for each in ast.iter_child_nodes(node):
        if not isinstance(each, ast.FunctionDef | ast.Lambda):
            yield each
            yield from at_once(each)


def single_looks(source: str) -> list[int]:
    """Return the lines of assertions in test functions that look once at what comes later."""
    return [
        call.lineno
        for function in ast.parse(source).body
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
        for statement in at_once(function)
        if isinstance(statement, ast.Assert)
        for call in ast.walk(statement)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in WRITTEN_LATER
    ]


@pytest.mark.parametrize("file", sorted(CLUSTER.glob("test_*.py")), ids=lambda file: file.stem)
def test_an_assertion_about_conditions_and_events_is_part_of_a_wait(file: Path) -> None:
    assert single_looks(file.read_text(encoding="utf-8")) == [], (
        "state it in a check of `eventually`, or by `told`, `announced` or `becomes`"
    )


def test_a_single_look_is_found_and_a_check_of_a_wait_is_none() -> None:
    single = "def test_a():\n    wait()\n    assert condition(k, 'a', 'Ready')[0] == 'True'\n"
    awaited = (
        "def test_b():\n    def told():\n        assert events(k, 'A')\n    eventually(told)\n"
    )
    assert single_looks(single + awaited) == [3]
