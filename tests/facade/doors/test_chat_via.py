"""`omnia chat --via`: one conversation in the terminal, over one protocol after the other."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from omnia_cli.doors.conversation import CLIENTS
from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.bed import LIMIT
from tests.programs import PYTHON
from tests.runtime.scripted import Mounted


@pytest.fixture
async def numbered(numbered_runtime: Mounted) -> AsyncIterator[Running]:
    async with bed.doors(numbered_runtime) as served:
        yield served


async def chat(*arguments: str, typed: str = "") -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, "-m", "omnia_cli", "chat", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(2 * LIMIT):
        out, err = await process.communicate(typed.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_one_session_over_every_protocol(numbered: Running) -> None:
    for turn, via in enumerate(CLIENTS, 1):
        code, out, err = await chat(numbered.http, "hi", "--via", via, "--session", "one")
        assert (code, out) == (0, f"This is turn {turn}.\n"), err
        assert f"session one via {via}" in err


async def test_lines_that_are_typed_are_turns_of_one_session(numbered: Running) -> None:
    code, out, _ = await chat(numbered.ws, "--via", "openai", typed="a\n\nb\n")
    assert code == 0
    assert "This is turn 1." in out
    assert "This is turn 2." in out


@pytest.mark.parametrize("via", CLIENTS)
async def test_a_turn_that_fails_has_an_exit_code(facade: Running, via: str) -> None:
    code, _, err = await chat(facade.http, "please fail", "--via", via)
    assert code == 1
    assert err


async def test_an_agent_that_does_not_answer_is_told(unused_port: int) -> None:
    code, _, err = await chat(f"http://127.0.0.1:{unused_port}", "hi", "--via", "agui")
    assert code == 1
    assert "cannot be reached" in err
    code, _, err = await chat("http://127.0.0.1:1", "hi", "--via", "smoke")
    assert code == 1
    assert "expected chat, openai, agui" in err
