"""A candidate is the agent's manifests with a change: a file, or a version of the PromptPack."""

from pathlib import Path
from typing import Any

import pytest

from omnia_cli.evaluation.candidate import with_candidate
from omnia_cli.evaluation.cassettes import with_cassettes, without_tools
from omnia_cli.manifests import Document, ManifestError
from omnia_cli.up import read
from omnia_operator.api.provider import CassetteMode
from tests.cli.recorded_agent import model, write_agent

PACK = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: PromptPack
metadata: {name: orders-pack-v2}
spec:
  packName: orders-pack
  version: 2.0.0
  source: {type: configmap, configMapRef: {name: orders-pack}}
"""


@pytest.fixture
def documents(tmp_path: Path) -> list[Document]:
    return read([write_agent(tmp_path / "orders", 9)])


def spec(documents: list[Document], kind: str, name: str) -> Any:
    (found,) = (each for each in documents if (each.kind, each.name) == (kind, name))
    return found.value["spec"]


def test_a_version_is_that_of_the_agents_pack(documents: list[Document]) -> None:
    made = with_candidate(documents, "2.0.0", "orders")
    assert spec(made, "AgentRuntime", "orders")["promptPackRef"] == {
        "name": "orders-pack",
        "version": "2.0.0",
    }
    assert with_candidate(documents, "2.0.0", "other") == documents


def test_a_manifest_takes_the_place_of_that_with_its_name(
    documents: list[Document], tmp_path: Path
) -> None:
    (tmp_path / "new.yaml").write_text(model("Soon."))
    made = with_candidate(documents, str(tmp_path / "new.yaml"), "")
    assert len(made) == len(documents)
    assert "Soon." in str(spec(made, "Provider", "orders-model"))
    assert spec(made, "AgentRuntime", "orders")["promptPackRef"] == {"name": "orders-pack"}


def test_the_only_pack_of_a_file_is_used(documents: list[Document], tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text(PACK)
    made = with_candidate(documents, str(tmp_path / "pack.yaml"), "")
    assert len(made) == len(documents) + 1
    assert spec(made, "AgentRuntime", "orders")["promptPackRef"] == {
        "name": "orders-pack",
        "version": "2.0.0",
    }
    (tmp_path / "pack.yaml").write_text("a: [")
    with pytest.raises(ManifestError):
        with_candidate(documents, str(tmp_path / "pack.yaml"), "")


def test_a_replay_leaves_out_whatever_reaches_a_vendor_or_a_tool(
    documents: list[Document], tmp_path: Path
) -> None:
    reaching = {"secretRef": {"name": "keys"}, "tls": {"caConfigMapRef": {"name": "ca"}}}
    for document in documents:
        if document.kind == "Provider":
            document.value["spec"] |= reaching
    recording = with_cassettes(documents, tmp_path, CassetteMode.RECORD)
    provider = spec(recording, "Provider", "orders-model")
    path = str(tmp_path / "provider.orders-model.jsonl")
    assert provider["cassette"] == {"mode": "record", "path": path}
    assert provider["secretRef"] == {"name": "keys"}
    assert "toolRegistryRef" in spec(recording, "AgentRuntime", "orders")

    replaying = with_cassettes(documents, tmp_path, CassetteMode.REPLAY)
    provider = spec(replaying, "Provider", "orders-model")
    assert provider["cassette"] == {"mode": "replay", "path": path}
    assert not reaching.keys() & provider.keys()
    assert "toolRegistryRef" not in spec(replaying, "AgentRuntime", "orders")
    assert "toolRegistryRef" not in spec(without_tools(documents), "AgentRuntime", "orders")
