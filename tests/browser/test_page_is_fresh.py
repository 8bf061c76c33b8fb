"""The pages are those that their source makes."""

import subprocess
from pathlib import Path

from tests.browser.conftest import CONSOLE


def test_the_pages_are_made_from_their_source_and_its_types_are_right(console_source: Path) -> None:
    for script in ("check", "build"):
        done = subprocess.run(
            ["npm", "run", "--silent", script],
            cwd=console_source,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for name in ("agent.html", "function.html", "hub.html", "hub-views.js"):
        made = (console_source.parent / name).read_bytes()
        assert made == (CONSOLE / name).read_bytes(), "run make console"
