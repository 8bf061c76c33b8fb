"""Pages that are written from the code are fresh, and the list of pages is whole."""

import re
from pathlib import Path

import pytest

from docs.site.command_line import PAGE, render
from docs.site.picture_names import PICTURES, picture_name
from tests.docs.blocks import ROOT
from tests.docs.drawing import diagrams

INDEX = ROOT / "docs/README.md"
LISTED = [
    page
    for folder in ("tutorials", "how-to", "reference", "explanation")
    for page in sorted((ROOT / "docs" / folder).glob("*.md"))
]


def test_the_page_of_the_command_line_is_what_make_crds_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), f"{PAGE.name} is stale: run `make crds`"


def test_the_page_of_the_command_line_has_every_option_of_a_command() -> None:
    text = render()
    assert {"## omnia up", "## omnia sessions list"} <= set(text.splitlines())
    for option in ("`--ephemeral`", "`--namespace`, `-n` `NAMESPACE`", "| `PATH…` |"):
        assert option in text


@pytest.mark.parametrize("page", LISTED, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_page_is_in_the_list_of_pages(page: Path) -> None:
    target = str(page.relative_to(INDEX.parent))
    title = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert title
    line = f"| [{page.stem}]({target}) | {title[1]} |"
    assert f"]({target})" in INDEX.read_text(encoding="utf-8"), f"add to docs/README.md: {line}"


def test_the_versions_that_are_said_to_be_tested_are_those_of_the_tests() -> None:
    text = (ROOT / "docs/explanation/compatibility.md").read_text(encoding="utf-8")
    modules = ROOT / "tests/cluster/harness/go"
    for title, module, name in (
        ("Kubernetes", "kubernetes", r"k8s\.io/kubernetes v(\d+\.\d+)"),
        ("Helm", "helm", r"helm\.sh/helm/v\d+ v(\d+\.\d+)"),
    ):
        used = re.search(name, (modules / module / "go.mod").read_text(encoding="utf-8"))
        assert used
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {title} |"))
        assert re.search(rf"\b{re.escape(used[1])}\b", row.split("|")[3]), used[1]


def test_every_diagram_has_its_picture_and_every_picture_its_diagram() -> None:
    wanted = {picture_name(text): page for page, text in diagrams()}
    assert len(wanted) > 5
    drawn = {file.name for file in PICTURES.glob("*.svg")}
    assert {str(page) for name, page in wanted.items() if name not in drawn} == set(), (
        "run `make pictures`"
    )
    assert drawn - wanted.keys() == set(), "run `make pictures`"
