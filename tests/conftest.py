"""What every test may use."""

import os
import shutil
from collections.abc import Callable

import pytest

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
