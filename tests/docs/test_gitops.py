"""The health checks for Argo CD and Flux on docs/how-to/gitops.md: fields and words that exist."""

import re
from typing import Any

import pytest
import yaml

from omnia_operator.api import AgentRuntime
from omnia_operator.api.agentruntime import AgentPhase
from omnia_operator.api.rollout import RolloutPhase
from omnia_operator.api.schema import resource_schema
from omnia_operator.rollout import reasons
from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs/how-to/gitops.md").read_text()
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
]
(CONFIG,) = (block["data"] for block in BLOCKS if block.get("kind") == "ConfigMap")
LUA: str = CONFIG["resource.customizations.health.omnia.altairalabs.ai_AgentRuntime"]
(FLUX,) = (each for block in BLOCKS for each in block.get("spec", {}).get("healthCheckExprs", ()))
# What the names of the checks stand for, below the status.
ROOTS: dict[str, list[str]] = {"status": [], "rollout": ["rollout"], "condition": ["conditions"]}
# https://argo-cd.readthedocs.io/en/stable/operator-manual/health
HEALTH = {"Healthy", "Progressing", "Degraded", "Suspended"}
WORDS: dict[str, set[str]] = {
    "status.phase": set(AgentPhase),
    "rollout.phase": set(RolloutPhase),
    "rollout.reason": {reasons.ROLLED_BACK},
    "status.rollout.reason": {reasons.ROLLED_BACK},
    "condition.type": {"Ready"},
}


def has_field(path: list[str]) -> bool:
    """Whether the status of an AgentRuntime has a field."""
    schema = resource_schema(AgentRuntime)["properties"]["status"]
    for name in path:
        schema = schema.get("items", schema).get("properties", {}).get(name)
        if schema is None:
            return False
    return True


@pytest.mark.parametrize(
    "text", [LUA, *(FLUX[name] for name in ("failed", "inProgress", "current"))]
)
def test_the_fields_and_words_of_a_health_check_exist(text: str) -> None:
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", text)
    paths = re.findall(r"\b(status|rollout|condition)((?:\.\w+)+)", bare)
    assert paths
    for root, rest in paths:
        assert has_field([*ROOTS[root], *rest.removeprefix(".").split(".")]), (root, rest)
    compared = re.findall(r"([\w.]+) == [\"'](\w+)[\"']", text)
    assert compared
    assert all(word in WORDS[path] for path, word in compared)


def test_the_check_of_argo_cd_returns_every_health_and_no_other() -> None:
    assert set(re.findall(r"return \{status = \"(\w+)\"", LUA)) == HEALTH
    opened = re.findall(r"\b(if|for|end)\b", re.sub(r"\"[^\"]*\"", "", LUA))
    assert opened.count("end") == len(opened) - opened.count("end")


def test_the_check_of_flux_is_about_agents() -> None:
    assert (FLUX["apiVersion"], FLUX["kind"]) == ("omnia.altairalabs.ai/v1alpha1", "AgentRuntime")
