"""Conversations that are broken in every way leave nothing behind, and are never slow."""

import secrets

import pytest

from tests.http2.fuzzer import Fuzzer
from tests.services import SOAK_SECONDS

# Fewer would mean that nothing is tried, however busy the machine is.
LEAST = 50
SHORT = 1


@pytest.mark.parametrize(
    "seconds",
    [
        SHORT,
        pytest.param(60, marks=[pytest.mark.load, pytest.mark.timeout(120)]),
        pytest.param(
            SOAK_SECONDS, marks=[pytest.mark.soak, pytest.mark.timeout(SOAK_SECONDS + 300)]
        ),
    ],
)
async def test_the_frame_parser_bears_whatever_comes(
    seconds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = secrets.randbits(32)
    rounds = await Fuzzer(seed).run(seconds, LEAST)
    if seconds > SHORT:
        with capsys.disabled():
            print(f"\n{rounds} broken conversations, from the seed {seed}")  # noqa: T201 - for people
