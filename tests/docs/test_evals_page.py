"""The manifests on the page of evaluations are accepted, and reach the runtime."""

from typing import Any

import pytest
import yaml

from omnia_core.env import RuntimeEnv
from omnia_operator import api
from tests.docs.blocks import ROOT, blocks


def manifests() -> list[dict[str, Any]]:
    """Return the blocks of the page that are part of an AgentRuntime."""
    page = ROOT / "docs/how-to/evals.md"
    found = [yaml.safe_load(block.text) for block in blocks(page) if block.language == "yaml"]
    return [
        each for each in found if isinstance(each, dict) and "kind" not in each and "spec" in each
    ]


def test_there_is_one_of_evaluations_and_one_of_a_budget() -> None:
    assert [list(each["spec"]) for each in manifests()] == [
        ["evals"],
        ["providers", "evals"],
        ["budget"],
    ]


@pytest.mark.parametrize("part", manifests(), ids=lambda part: next(iter(part["spec"])))
def test_a_manifest_is_accepted(part: dict[str, Any]) -> None:
    agent = {
        "apiVersion": "omnia.altairalabs.ai/v1alpha1",
        "kind": "AgentRuntime",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {
            "promptPackRef": {"name": "p"},
            **({} if "providers" in part["spec"] else {"provider": {"type": "mock"}}),
            "facade": {"type": "websocket"},
            **part["spec"],
        },
    }
    parsed = api.parse(agent)
    assert isinstance(parsed, api.AgentRuntime)


def test_the_variable_that_a_runtime_of_ones_own_reads_is_the_one_of_the_page() -> None:
    assert RuntimeEnv.variable("budget_usd_per_day") == "OMNIA_BUDGET_USD_PER_DAY"
