"""Every promise of a protocol page has a test, and every test's promise is on the page.

A promise is a row of a table whose last column is called `id`. A test says which it holds the
programs to: `@pytest.mark.covers("websocket.md#cancel")`. Both are read, nothing is run.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs/reference"
TESTS = ROOT / "tests"
# Tables on these pages have no other kind of row.
PAGES = ("websocket.md", "doors.md", "chat.md", "openai.md", "agui.md", "a2a.md", "mcp.md")
# These have other tables too.
PARTLY = ("history.md", "sessions.md")
# `make test` does not run these.
ELSEWHERE = ("cluster", "load")


def tables(page: str) -> Iterator[list[list[str]]]:
    """Yield the tables of a page: rows of cells, the head first."""
    table: list[list[str]] = []
    for line in [*(DOCS / page).read_text().splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.split("|")[1:-1]])
        elif table:
            yield table
            table = []


def promises(page: str) -> list[str]:
    """Return the ids of a page as tests name them."""
    return [
        f"{page}#{row[-1].strip('`')}"
        for head, _, *rows in tables(page)
        if head[-1] == "id"
        for row in rows
    ]


def is_covers(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.covers"


def named(tree: ast.AST) -> Iterator[str]:
    """Yield what the markers anywhere below a node name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and is_covers(node):
            for argument in node.args:
                assert isinstance(argument, ast.Constant), f"{ast.unparse(node)}: write the ids out"
                yield str(argument.value)


@cache
def covered() -> dict[str, list[str]]:
    """Return the ids that tests carry, each with the tests."""
    found: dict[str, list[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        if file.relative_to(TESTS).parts[0] in ELSEWHERE:
            continue
        source = file.read_bytes()
        if b"mark.covers" not in source:
            continue
        tree = ast.parse(source)
        carried = 0
        for test in ast.walk(tree):
            if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if not test.name.lower().startswith("test"):
                    continue
                for decorator in test.decorator_list:
                    carried += sum(map(is_covers, ast.walk(decorator)))
                    for promise in named(decorator):
                        found.setdefault(promise, []).append(f"{file.name}::{test.name}")
        written = sum(map(is_covers, ast.walk(tree)))
        assert carried == written, f"{file}: `covers` belongs on a test, as a decorator"
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_table_of_a_protocol_page_names_its_rows(page: str) -> None:
    unnamed = [head for head, *_ in tables(page) if head[-1] != "id"]
    assert unnamed == [], f"{page}: the last column of every table is `id`"
    assert promises(page)


@pytest.mark.parametrize("page", [*PAGES, *PARTLY])
def test_no_two_promises_have_one_name(page: str) -> None:
    assert [each for each, count in Counter(promises(page)).items() if count > 1] == []


@pytest.mark.parametrize("page", [*PAGES, *PARTLY])
def test_every_promise_has_a_test(page: str) -> None:
    untested = [each for each in promises(page) if each not in covered()]
    assert untested == [], f'mark the test of each with @pytest.mark.covers("{page}#…")'


def test_every_test_names_a_promise_that_is_made() -> None:
    made = {each for page in (*PAGES, *PARTLY) for each in promises(page)}
    unknown = {each: tests for each, tests in covered().items() if each not in made}
    assert unknown == {}, "no row of docs/reference has that id"
