"""A browser for the tests of the page, and what it is pointed at."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.browser.chromium import Chromium, chromium, headless
from tests.browser.served import PageRuntime, Served, served
from tests.browser.tab import Tab
from tests.end_to_end.conftest import EXAMPLES, ROOT, Up, running_up, with_port
from tests.services import free_port

CONSOLE = ROOT / "omnia_facade/console"
EXAMPLES_SHOWN = ("support-agent", "summarizer-function")


@pytest.fixture(scope="session")
def browser(
    need_program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chromium]:
    """One browser for all tests of a process."""
    program = headless() or need_program("chromium", "apt-get install chromium-headless-shell")
    with chromium(program, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def tab(browser: Chromium) -> Iterator[Tab]:
    """A tab whose page stays on its host and within its policy, whatever the test does."""
    with browser.target() as session:
        tab = Tab(browser, session)
        yield tab
        hosts = {urlsplit(url).hostname for url in tab.requested if not url.startswith("data:")}
        assert hosts - {"127.0.0.1", None} == set()
        assert tab.faults == []


@pytest.fixture(scope="session")
def agent() -> Iterator[Served]:
    """An agent that answers by script."""
    runtime = PageRuntime(resume=pb.RESUME_STATE_NOT_FOUND)
    with served(runtime) as found:
        yield found


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`omnia up` on two examples."""
    folder = tmp_path_factory.mktemp("examples")
    options: list[str] = []
    for name in EXAMPLES_SHOWN:
        (folder / name).mkdir()
        for file in (EXAMPLES / name).glob("*.yaml"):
            text = file.read_text()
            if "kind: AgentRuntime" in text:
                text = with_port(text, free_port())
            (folder / name / file.name).write_text(text)
        options += ["-f", str(folder / name)]
    with running_up(folder, *options) as found:
        yield found


@pytest.fixture(scope="session")
def ready(up: Up) -> dict[str, dict[str, Any]]:
    """Wait until the examples serve; return what is said of each."""
    return {name: up.wait("ready", name=name) for name in EXAMPLES_SHOWN}


@pytest.fixture
def console_source(need_program: Callable[[str, str], str], tmp_path: Path) -> Path:
    """A copy of the source for one test, whose packages are those of the original."""
    return copied_source(need_program, tmp_path)


def copied_source(need_program: Callable[[str, str], str], folder: Path) -> Path:
    """Copy the source of the console into a folder."""
    need_program("npm", "apt-get install nodejs")
    if not (CONSOLE / "source/node_modules/esbuild").is_dir():
        reason = "the packages of the console are missing: make console"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    copy = folder / "console/source"
    shutil.copytree(CONSOLE / "source", copy, ignore=shutil.ignore_patterns("node_modules"))
    (copy / "node_modules").symlink_to(CONSOLE / "source/node_modules")
    return copy
