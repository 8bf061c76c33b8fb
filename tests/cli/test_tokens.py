"""`omnia chat` and `omnia call` where a credential is asked for."""

import asyncio
import os
from pathlib import Path

from tests.facade.scripted_runtime import LIMIT
from tests.facade.test_auth_program import secured_program
from tests.programs import PYTHON

ROOT = Path(__file__).parents[2]


async def omnia(*arguments: str, said: str = "", **variables: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-m", "omnia_cli", *arguments),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(LIMIT):
        printed, _ = await process.communicate(said.encode())
    return process.returncode or 0, printed.decode()


async def test_a_chat_brings_its_token(tmp_path: Path) -> None:
    async with secured_program(tmp_path, "agent") as agent:
        url = f"ws://127.0.0.1:{agent.port}/ws"

        code, printed = await omnia("chat", url, "--token", "k3y", said="hi\n")
        assert (code, "you said hi" in printed) == (0, True)
        code, printed = await omnia("chat", url, said="hi\n", OMNIA_TOKEN="k3y")
        assert (code, "you said hi" in printed) == (0, True)


async def test_a_chat_without_a_good_token_says_what_is_accepted(tmp_path: Path) -> None:
    async with secured_program(tmp_path, "agent") as agent:
        url = f"ws://127.0.0.1:{agent.port}/ws"

        code, printed = await omnia("chat", url, "--token", "wr0ng", said="hi\n")

        assert code == 1
        assert "token for the audience omnia://space/agent" in printed
        assert "--token" in printed
        assert "wr0ng" not in printed


async def test_a_call_brings_its_token(tmp_path: Path) -> None:
    async with secured_program(tmp_path, "function") as function:
        url = f"http://127.0.0.1:{function.port}/functions/f"

        assert (await omnia("call", url, "{}", "--token", "k3y"))[0] == 0
        assert (await omnia("call", url, "{}", OMNIA_TOKEN="k3y"))[0] == 0
        code, printed = await omnia("call", url, "{}")
        assert (code, "HTTP 401" in printed) == (1, True)
