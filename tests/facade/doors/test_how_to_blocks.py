"""The blocks of the how-to are copied and run."""

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.facade.conftest import Running
from tests.facade.doors.bed import DEFAULT, LIMIT
from tests.facade.doors.test_chat_clients import CLIENT, NODE

PAGE = Path(__file__).parents[3] / "docs/how-to/doors.md"
ADDRESS = "http://127.0.0.1:8080"


def blocks(section: str, language: str) -> list[str]:
    """Return the blocks of a section in one language."""
    text = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    (found,) = [part for part in text if part.startswith(section)]
    return re.findall(rf"^```{language}\n(.*?)^```", found, flags=re.MULTILINE | re.DOTALL)


OPENAI, AGUI = "… OpenAI's clients", "… a frontend with AG-UI"
A2A, MCP = "… another agent", "… an MCP client"
CHAT = "… a web page with the AI SDK"


async def output(*command: str, text: str = "", folder: Path | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(2 * LIMIT):
        out, err = await process.communicate(text.encode())
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize("section", [OPENAI, AGUI])
async def test_python(facade: Running, section: str) -> None:
    (block,) = blocks(section, "python")
    assert ADDRESS in block
    out = await output(sys.executable, "-", text=block.replace(ADDRESS, facade.http))
    assert out.count(DEFAULT) == (3 if section == OPENAI else 1)


@pytest.mark.parametrize(("section", "said"), [(A2A, "TASK_STATE_COMPLETED"), (MCP, DEFAULT)])
async def test_python_of_agents_and_mcp_clients(facade: Running, section: str, said: str) -> None:
    (block,) = blocks(section, "python")
    assert ADDRESS in block
    assert said in await output(sys.executable, "-", text=block.replace(ADDRESS, facade.http))


@pytest.mark.skipif(
    not NODE.is_file(), reason="the packages of tests/clients/node are not installed: npm ci there"
)
@pytest.mark.parametrize("section", [OPENAI, AGUI])
async def test_typescript(facade: Running, section: str) -> None:
    (block,) = blocks(section, "ts")
    assert ADDRESS in block
    typed = block.replace(ADDRESS, facade.http)
    out = await output(str(NODE), "--input-type=module-typescript", "-", text=typed, folder=CLIENT)
    assert DEFAULT in out


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing: apt-get install curl")
@pytest.mark.parametrize("section", [CHAT, OPENAI, AGUI, A2A])
async def test_curl(facade: Running, section: str) -> None:
    (block,) = blocks(section, "console")
    assert ADDRESS in block
    line = block.removeprefix("$ ").replace(ADDRESS, facade.http)
    out = await output("bash", "-c", line)
    assert "Hello" in out
