"""The page is the one that its source makes."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "omnia_facade/console"


@pytest.fixture
def source(need_program: Callable[[str, str], str], tmp_path: Path) -> Path:
    """A copy of the source, whose packages are those of the original."""
    need_program("npm", "apt-get install nodejs")
    if not (FOLDER / "source/node_modules/esbuild").is_dir():
        reason = "the packages of the console are missing: make console"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    copy = tmp_path / "console/source"
    shutil.copytree(FOLDER / "source", copy, ignore=shutil.ignore_patterns("node_modules"))
    (copy / "node_modules").symlink_to(FOLDER / "source/node_modules")
    return copy


def test_the_page_is_made_from_its_source_and_its_types_are_right(source: Path) -> None:
    for script in ("check", "build"):
        done = subprocess.run(
            ["npm", "run", "--silent", script],
            cwd=source,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    made = (source.parent / "page.html").read_bytes()
    assert made == (FOLDER / "page.html").read_bytes(), "run make console"
