"""Runtimes for the tests."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.runtime import sdks
from tests.runtime.program import Program
from tests.runtime.scripted import Mounted

Start = Callable[..., Program]


@pytest.fixture(scope="session")
def anthropic_sdk() -> None:
    """Load it before a test begins to count its seconds."""
    sdks.anthropic()


@pytest.fixture(scope="session")
def genai_sdk() -> None:
    sdks.genai()


@pytest.fixture(scope="session")
def openai_sdk() -> None:
    sdks.openai()


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    """The files of an agent on the mock provider."""
    return Mounted(tmp_path)


@pytest.fixture
def start(mounted: Mounted) -> Iterator[Start]:
    """Start the program on the mounted files."""
    running: list[Program] = []

    def run(prefix: Sequence[str] = (), **environment: str) -> Program:
        running.append(Program(mounted, prefix, **environment))
        return running[-1]

    yield run
    for program in running:
        program.kill()
