"""The programs in C, compiled once."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from benchmarks.relay.build import compile_c
from tests.services import free_port, wait_listening

Serve = Callable[[str], AbstractContextManager[int]]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that they are in."""
    if shutil.which("cc") is None:
        missing = "A C compiler is not here: apt-get install gcc"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    folder = tmp_path_factory.mktemp("programs")
    for name in ("load", "floor", "calls", "vendor"):
        compile_c(name, folder)
    return folder


@pytest.fixture
def serve(programs: Path) -> Serve:
    """Run a server; its port."""

    @contextlib.contextmanager
    def serving(name: str) -> Iterator[int]:
        port = free_port()
        process = subprocess.Popen([programs / name, str(port)], stdout=subprocess.DEVNULL)
        try:
            wait_listening(port)
            yield port
        finally:
            process.kill()
            process.wait()

    return serving


@pytest.fixture
def vendor(serve: Serve) -> Iterator[int]:
    """The port of a model's server."""
    with serve("vendor") as port:
        yield port
