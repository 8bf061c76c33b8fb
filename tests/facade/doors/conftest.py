"""Fixtures of the doors: a runtime for each module, a facade for each test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.runtime.scripted import Mounted


@pytest.fixture(scope="module")
def mock_runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """A runtime with the answers of `bed.ANSWERS`."""
    with bed.mock_runtime(tmp_path_factory.mktemp("runtime")) as mounted:
        yield mounted


@pytest.fixture(scope="module")
def numbered_runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """A runtime that answers with the number of the turn."""
    with bed.mock_runtime(tmp_path_factory.mktemp("runtime"), bed.NUMBERED) as mounted:
        yield mounted


@pytest.fixture
async def facade(mock_runtime: Mounted) -> AsyncIterator[Running]:
    """A facade with all doors, in front of the runtime of the module."""
    async with bed.doors(mock_runtime) as served:
        yield served
