"""The counts that keep the project easy to enter."""

import re
from pathlib import Path

import pytest

from tests.contract.packages import PACKAGES, ROOT
from tests.contract.structure import (
    exceptions_made_once,
    files_of_a_call,
    files_of_a_turn,
    public_classes,
)

# A resource and the mounted file that is rendered from it have the same names on purpose.
MIRRORS = frozenset(
    {
        "ClientConfig",
        "EdgeTrust",
        "OpenAISettings",
        "Pricing",
        "RetryPolicy",
        "ToolFilter",
        "ToolHandler",
    }
)


def test_a_public_class_name_stands_for_one_thing() -> None:
    twice = {name: files for name, files in public_classes().items() if len(files) > 1}
    assert len(twice) <= 30
    for name in MIRRORS:
        assert {file.split("/")[0] for file in twice[name]} == {"omnia_core", "omnia_operator"}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_architecture_names_every_part_of_a_package(package: str) -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = re.split(r"^#+ ", text.partition(f"### {package}:")[2], flags=re.MULTILINE)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    parts = {
        path.stem
        for path in (ROOT / package).iterdir()
        if path.suffix in ("", ".py") and not path.stem.startswith("__")
    }
    assert named == parts


def test_an_exception_is_made_where_it_is_raised() -> None:
    assert exceptions_made_once() == []


async def test_a_warm_turn_passes_few_files(tmp_path: Path) -> None:
    assert len(await files_of_a_turn(tmp_path)) <= 66


async def test_a_warm_function_call_passes_few_files(tmp_path: Path) -> None:
    # Three of them place the call in a rollout.
    assert len(await files_of_a_call(tmp_path)) <= 64
