"""The socket of an `omnia up`: what it answers, and what strangers may say to it."""

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from omnia_cli.local.control import (
    MAX_LINE,
    ControlFailed,
    ControlRequest,
    asked_of,
    controlled,
    socket_path,
)
from omnia_cli.local.objects import Key
from omnia_cli.local.rollouts import RolloutAnswer
from omnia_operator.api.rollout import RolloutPhase, RolloutStatus
from omnia_operator.rollout.plan import News
from omnia_operator.rollout.requests import RolloutRequest, Verb

LIMIT = 60.0
SHOP = ("default", "shop")
PAUSED = RolloutStatus(active=True, phase=RolloutPhase.PAUSED)


@asynccontextmanager
async def serving(
    folder: Path, news: tuple[News, ...] = (), line_seconds: float = LIMIT
) -> AsyncIterator[str]:
    """Serve a paused rollout, which a request continues."""

    async def ask(key: Key, request: RolloutRequest) -> RolloutAnswer:
        assert (key, request) == (SHOP, RolloutRequest(Verb.PROMOTE, "1", "good"))
        return RolloutAnswer(RolloutStatus(), news)

    with socket_path(folder) as path:
        async with controlled(path, {SHOP: PAUSED}.get, ask, line_seconds):
            yield str(path)


async def test_the_status_and_a_request(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        answer = await asyncio.to_thread(asked_of, path, ControlRequest(*SHOP))
        assert answer.rollout == PAUSED
        asked = ControlRequest(*SHOP, verb=Verb.PROMOTE, id="1", reason="good")
        answer = await asyncio.to_thread(asked_of, path, asked)
        assert (answer.rollout, answer.refused) == (RolloutStatus(), "")


async def test_a_folder_whose_path_is_too_long_for_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    async with serving(folder) as path:
        assert not Path(path).is_relative_to(folder)
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
        answer = await asyncio.to_thread(asked_of, path, ControlRequest(*SHOP))
        assert answer.rollout == PAUSED
    assert not Path(path).parent.exists()


async def test_a_request_that_is_refused_says_why(tmp_path: Path) -> None:
    news = (News("RolloutStep", "a step"), News("RolloutRequestRefused", "it does not fit"))
    async with serving(tmp_path, news) as path:
        asked = ControlRequest(*SHOP, verb=Verb.PROMOTE, id="1", reason="good")
        assert (await asyncio.to_thread(asked_of, path, asked)).refused == "it does not fit"


async def test_an_agent_that_is_not_there(tmp_path: Path) -> None:
    async with serving(tmp_path) as path:
        with pytest.raises(ControlFailed, match='there is no agent "cart" here'):
            await asyncio.to_thread(asked_of, path, ControlRequest("default", "cart"))
    with pytest.raises(ControlFailed, match="does not answer"):
        asked_of(path, ControlRequest(*SHOP))


@pytest.mark.parametrize(
    ("line", "answered"),
    [
        (b"\n", b'{"failure":"the request is not understood'),
        (b"[]\n", b'{"failure":"the request is not understood'),
        (
            b'{"namespace": "default", "agent": "shop", "verb": "explode"}\n',
            b'{"failure":"the request is not understood',
        ),
        (b"x" * (2 * MAX_LINE), b""),
    ],
)
async def test_what_is_not_understood_ends_nothing(
    tmp_path: Path, line: bytes, answered: bytes
) -> None:
    async with serving(tmp_path) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        said = b""
        with contextlib.suppress(ConnectionResetError):  # it is cut before it has said all
            said = await reader.read()
        assert said.startswith(answered) if answered else not said
        writer.close()
        assert await asyncio.to_thread(asked_of, path, ControlRequest(*SHOP))


async def test_a_client_that_says_nothing_is_cut(tmp_path: Path) -> None:
    async with serving(tmp_path, line_seconds=0.01) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()
