"""The page is the one that its source makes."""

import subprocess
from pathlib import Path

from tests.browser.conftest import CONSOLE


def test_the_page_is_made_from_its_source_and_its_types_are_right(console_source: Path) -> None:
    for script in ("check", "build"):
        done = subprocess.run(
            ["npm", "run", "--silent", script],
            cwd=console_source,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    made = (console_source.parent / "page.html").read_bytes()
    assert made == (CONSOLE / "page.html").read_bytes(), "run make console"
