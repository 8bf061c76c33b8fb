"""Every condition, reason, Event and error code has its cause and remedy on the page."""

import ast
import importlib
import re
from collections.abc import Iterator
from enum import StrEnum
from types import ModuleType
from typing import get_args

import pytest

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.entrance.errors import Rejection
from omnia_facade.functions.errors import FunctionErrorCode
from omnia_facade.media.port import MediaErrorCode
from omnia_history.refusals import Reason
from omnia_operator.api.crd import RESOURCES
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs/how-to/troubleshooting.md"
# Where the operator finds out what is wrong and says so.
SOURCES = ("status", "resolve", "reconcile", "discovery", "rollout")
# Words of the same form that are neither a condition, a reason nor an Event: kinds, values of
# Kubernetes' own objects, and names of types.
OTHERS = frozenset(
    {
        *(resource.kind_name.value for resource in RESOURCES),
        *("ConfigMap", "Event", "HTTPRoute", "Ingress", "Secret"),
        *("True", "False", "Normal", "Warning", "Succeeded", "Failed"),
        *("Accepted", "NotFound", "OOMKilled", "PodScheduled", "ReplicaFailure", "ResolvedRefs"),
        *(
            "Connect",
            # the end of reasons such as ProviderNotGranted
            "NotGranted",
            "DeploymentState",
            "HandlerTools",
            "Proxy",
            "RetentionPolicy",
            "StatusT",
            "Timeout",
            "Tool",
        ),
    }
)
CODES: dict[str, tuple[str, ...]] = {
    "Errors of a conversation": tuple(ErrorCode),
    "Errors of a function": tuple(FunctionErrorCode),
    "Errors of uploads": tuple(MediaErrorCode),
    "Refused before the agent sees it": tuple(Rejection),
    "Errors of the history": get_args(Reason),
}


def section(heading: str) -> str:
    """Return the text below a heading of the page."""
    return re.split(
        r"^## ", PAGE.read_text().partition(f"\n## {heading}\n")[2], flags=re.MULTILINE
    )[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of the rows of all tables of a text, without the heads."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return [cells for cells in found if cells[0].startswith("`")]


def words_of_the_operator() -> dict[str, str]:
    """Return what the operator may write as a condition, a reason or an Event, each with a file."""
    found: dict[str, str] = {}
    for folder in SOURCES:
        for file in sorted((ROOT / "omnia_operator" / folder).rglob("*.py")):
            if file.name == "__init__.py":
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    word = node.value
                    if re.fullmatch(r"[A-Z][A-Za-z]*[a-z][A-Za-z]*", word) and word not in OTHERS:
                        found[word] = str(file.relative_to(ROOT))
    return found


def updates() -> Iterator[tuple[str, str]]:
    """Yield type and reason of the conditions that are written with both in place."""
    for folder in SOURCES:
        for file in sorted((ROOT / "omnia_operator" / folder).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            module = importlib.import_module(name.removesuffix(".__init__"))
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or len(node.args) < 2:
                    continue
                if ast.unparse(node.func) == "NoKeys":
                    yield "OIDCJWKSReady", constant(node.args[0], module)
                if ast.unparse(node.func) in ("false", "unknown", "Problem"):
                    words = [constant(each, module) for each in node.args[:2]]
                    if all(words):
                        yield words[0], words[1]


def constant(node: ast.expr, module: ModuleType) -> str:
    """Return the text that an argument is, also by the name of a constant; "" if it is computed."""
    if isinstance(node, ast.Name):
        found = getattr(module, node.id, "")
        return found if isinstance(found, str) else ""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_every_word_of_the_operator_is_on_the_page() -> None:
    named = set(re.findall(r"`([A-Za-z]+)`", PAGE.read_text()))
    words = words_of_the_operator()
    assert len(words) > 90
    missing = {word: file for word, file in words.items() if word not in named}
    assert missing == {}, f"write cause and remedy of each into {PAGE.relative_to(ROOT)}"


def test_every_condition_that_may_be_false_has_a_row_with_cause_and_remedy() -> None:
    shown = {(cells[0].strip("`"), cells[1].strip("`")) for cells in rows(PAGE.read_text())}
    written = set(updates())
    assert len(written) > 25
    assert sorted(written - shown) == []


@pytest.mark.parametrize("heading", CODES)
def test_every_error_code_has_a_row_with_cause_and_remedy(heading: str) -> None:
    shown = [cells[0].strip("`") for cells in rows(section(heading))]
    assert len(shown) == len(set(shown))
    assert {str(code) for code in CODES[heading]} - set(shown) == set()


def test_no_other_enum_of_codes_exists() -> None:
    """A new enum of codes gets a section of the page, too."""
    known = {type(code[0]) for code in CODES.values() if isinstance(code[0], StrEnum)}
    named = {
        found
        for package in ("omnia_facade", "omnia_history")
        for file in sorted((ROOT / package).rglob("*.py"))
        for found in re.findall(
            r"^class (\w*(?:Code|Rejection))\(StrEnum\)", file.read_text(), re.MULTILINE
        )
    }
    assert named == {each.__name__ for each in known} - {"ErrorCode"}


def test_every_row_says_cause_and_remedy() -> None:
    for cells in rows(PAGE.read_text()):
        assert all(cells), cells
        assert len(cells) in (3, 4), cells


def test_nothing_on_the_page_is_out_of_date() -> None:
    words = words_of_the_operator().keys()
    shown = {cells[1].strip("`") for cells in rows(PAGE.read_text()) if len(cells) == 4}
    assert shown - words - {"PersistentVolumeClaim"} == set()
