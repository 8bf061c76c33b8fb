"""What every test may use."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.services import redis_server

IN_CI = os.environ.get("CI") == "true"


@pytest.fixture(scope="session")
def need_program() -> Callable[[str, str], str]:
    """Find a program of the machine, or skip with the line that installs it (under CI: fail)."""

    def find(name: str, install: str) -> str:
        found = shutil.which(name)
        if found is None:
            reason = f"{name} is not on this machine; install it: {install}"
            if IN_CI:
                pytest.fail(reason)
            pytest.skip(reason)
        return found

    return find


@pytest.fixture(scope="session")
def redis_url(
    need_program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A Redis of this test run."""
    program = need_program("redis-server", "apt-get install redis-server")
    with redis_server(program, str(tmp_path_factory.mktemp("redis"))) as url:
        yield url
