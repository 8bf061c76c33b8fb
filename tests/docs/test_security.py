"""Each promise of the page about security names a test that exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/security.md").read_text("utf-8")
PROMISES = [line for line in PAGE.splitlines() if line.startswith("|") and "tests/" in line]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("line", PROMISES, ids=[line[2:60] for line in PROMISES])
def test_a_promise_is_held_by_a_test(line: str) -> None:
    found = NAMED.findall(line)
    assert found
    for file, name in found:
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        assert name in {each.name for each in tree.body if isinstance(each, functions)}, file


def test_every_row_of_a_table_belongs_to_one() -> None:
    lines = ["", *PAGE.splitlines()]
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if line.startswith("|") and not before.startswith("|"):
            assert after.startswith("|--"), line
