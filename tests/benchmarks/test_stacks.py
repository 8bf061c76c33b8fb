"""What the bench starts is still what the project has."""

from pathlib import Path

import pytest

from benchmarks.provider_turn import whole_turn
from benchmarks.relay.rounds import CALLS, LOADS, MODEL_LOADS
from benchmarks.relay.stacks import (
    function_manifest,
    local_agent,
    mock_manifest,
    vendor_manifest,
)
from omnia_runtime.http_client import HTTPClient


@pytest.mark.parametrize("manifest", [mock_manifest(), vendor_manifest(1), function_manifest()])
def test_each_agent_of_the_bench_is_a_facade_and_a_runtime(manifest: str, tmp_path: Path) -> None:
    local = local_agent(manifest, tmp_path)
    assert [each.title.rpartition("/")[2] for each in local.processes] == ["facade", "runtime"]


def test_the_mock_has_an_answer_to_every_message_of_the_loads() -> None:
    for load in {*LOADS, *MODEL_LOADS}:
        assert f"contains: '{load.message}'" in mock_manifest()


def test_the_function_that_is_called_is_the_one_that_is_served(tmp_path: Path) -> None:
    assert CALLS.path == f"/functions/{local_agent(function_manifest(), tmp_path).plan.name}"


async def test_a_whole_turn_of_the_runtime_says_what_its_model_says(vendor: int) -> None:
    client = HTTPClient()
    turn = whole_turn(f"http://127.0.0.1:{vendor}/v1", client, "10:0")
    assert [await turn(), await turn()] == [390, 390]
    await client.close()
