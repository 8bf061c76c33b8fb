"""Every YAML block of the CRD and function documents is accepted, by the models and by the CRD."""

from pathlib import Path

import pytest

from omnia_operator.api import AgentRuntime, Severity, findings, parse
from tests.operator import objects, structural

FRAGMENTS = sorted((objects.DATA / "spec").glob("*.yaml"))
HELLO = objects.DATA / "hello-agent.yaml"


@pytest.mark.parametrize("path", [*FRAGMENTS, HELLO], ids=lambda path: path.stem)
def test_every_block_is_a_valid_agent(path: Path) -> None:
    fragment = objects.load(path)
    document = fragment if "kind" in fragment else objects.merge(objects.agent(), fragment)

    assert structural.faults(document) == []
    assert isinstance(parse(document), AgentRuntime)


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.stem)
def test_a_block_with_a_misspelt_field_is_refused_by_both(path: Path) -> None:
    fragment = objects.load(path)
    fragment["spec"]["nmae"] = "x"
    document = objects.merge(objects.agent(), fragment)

    assert structural.faults(document)
    assert [found.severity for found in findings(document)][:1] == [Severity.ERROR]


def test_the_first_agent_fits_on_twelve_lines() -> None:
    assert len(HELLO.read_text(encoding="utf-8").splitlines()) <= 12
