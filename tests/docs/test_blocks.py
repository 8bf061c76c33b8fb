"""Every code block of a page is run by a test, or its comment says why not."""

import ast
import functools
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from omnia_cli.validate import validate
from tests.docs.blocks import PAGES, ROOT, TEXTS, Block, blocks
from tests.docs.test_pages_typed import TYPED

BLOCKS = [block for page in PAGES for block in blocks(page) if block.language not in TEXTS]
# The pages whose Python is run whole.
PYTHON = ("README.md", "docs/how-to/library.md")
# What an AgentRuntime that a page shows in part has besides.
AGENT: dict[str, Any] = {
    "apiVersion": "omnia.altairalabs.ai/v1alpha1",
    "kind": "AgentRuntime",
    "metadata": {"name": "shown"},
}
REST: dict[str, Any] = {
    "prompt": {"system": "Hello."},
    "providers": [{"name": name, "providerRef": {"name": name}} for name in ("default", "cheap")],
}


@functools.cache
def typed_by_cluster_tests() -> frozenset[tuple[str, str]]:
    """Return the pages and headings whose lines the tests of the cluster type into a shell."""
    found: set[tuple[str, str]] = set()
    for file in (ROOT / "tests/cluster").glob("test_*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        texts = {
            target.id: ast.literal_eval(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".type"):
                words = [
                    each.value if isinstance(each, ast.Constant) else texts.get(ast.unparse(each))
                    for each in node.args
                ]
                if len(words) == 2:
                    found.add((str(words[0]), str(words[1])))
    return frozenset(found)


def how(block: Block) -> str:
    """Return how a block is tested; "" if it is not."""
    page = str(block.page.relative_to(ROOT))
    if block.kind in ("not run", "run by"):
        return block.value
    if block.language == "console" and (page, block.heading) in typed_by_cluster_tests():
        return "typed by a test of the cluster"
    if block.language in ("console", "yaml") and page in TYPED:
        return "typed by test_pages_typed.py"
    if block.language == "python" and page in PYTHON:
        return "run by tests/runner/test_pages.py"
    if block.language in ("yaml", "json"):
        return "checked here"
    return ""


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_every_block_is_run_or_says_why_not(block: Block) -> None:
    assert how(block), (
        f"{block.name}: no test runs this {block.language} block. Run it, or write before it:"
        " <!-- not run: why -->"
    )


def test_the_pages_that_the_tests_of_the_cluster_type_are_found() -> None:
    assert ("docs/how-to/upgrade.md", "Upgrade") in typed_by_cluster_tests()
    assert len(typed_by_cluster_tests()) > 8


JSON = [
    block
    for block in BLOCKS
    if block.language == "json" and block.kind not in ("not run", "run by")
]
YAML = [
    block
    for block in BLOCKS
    if block.language == "yaml" and block.kind not in ("not run", "run by")
]


@pytest.mark.parametrize("block", JSON, ids=lambda block: block.name)
def test_json_is_json(block: Block) -> None:
    text = block.text if block.text[0] in "[{" else f"{{{block.text}}}"
    json.loads(text)


@functools.cache
def chart() -> tuple[frozenset[str], Any]:
    """Return the names of the chart's values, and what checks them."""
    folder = ROOT / "charts/omnia"
    values = yaml.safe_load((folder / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((folder / "values.schema.json").read_text(encoding="utf-8"))
    return frozenset(values), jsonschema_rs.validator_for(_partial(schema))


def _partial(schema: Any) -> Any:
    """Return a schema that asks for no value: a page shows some of them."""
    if isinstance(schema, dict):
        kept = {key: schema[key] for key in schema.keys() & {"not", "oneOf", "anyOf"}}
        rest = schema.keys() - kept.keys() - ({"required"} & schema.keys())
        return kept | {key: _partial(schema[key]) for key in rest}
    return [_partial(each) for each in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.name)
def test_yaml_is_valid_also_where_a_page_shows_a_part(block: Block, tmp_path: Path) -> None:
    documents = list(yaml.safe_load_all(textwrap.dedent(block.text)))
    names, checked = chart()
    for number, document in enumerate(documents):
        assert isinstance(document, dict), block.name
        if "apiVersion" in document:
            whole = document
        elif document.keys() <= names:
            assert [str(error) for error in checked.iter_errors(document)] == []
            continue
        else:
            spec = {**REST, **document.get("spec", document)}
            if "provider" in spec:
                del spec["providers"]
            whole = {**AGENT, "spec": spec}
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.safe_dump(whole))
        found = [str(finding) for finding in validate([file], references=False)]
        assert found == [], block.name


def test_every_test_that_a_comment_names_exists() -> None:
    named = {(block.name, block.value) for block in BLOCKS if block.kind == "run by"}
    assert named
    for where, test in sorted(named):
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), where


def test_no_comment_is_misspelt() -> None:
    known = re.compile(
        r"<!-- (file|fails|until|run by|not run): .+ -->|<!-- [Gg]enerated by .+ -->"
    )
    for page in PAGES:
        for comment in re.findall(r"<!--.*?-->", page.read_text(encoding="utf-8"), re.DOTALL):
            assert known.fullmatch(comment), f"{page.relative_to(ROOT)}: {comment}"
    carried = sum(bool(block.kind) for page in PAGES for block in blocks(page))
    written = sum(
        len(
            re.findall(
                r"<!-- (?:file|fails|until|run by|not run): ", page.read_text(encoding="utf-8")
            )
        )
        for page in PAGES
    )
    assert carried == written, "a comment stands on the line before its block"
