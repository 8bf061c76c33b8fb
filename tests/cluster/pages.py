"""The command lines of a page, typed into a shell as they stand."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lines(page: str, heading: str) -> list[str]:
    """Return the command lines below a heading of a page, up to the next heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, flags=re.MULTILINE | re.DOTALL
    )
    assert found, f"{page} has no section {heading}"
    blocks = re.findall(r"^```console\n(.*?)^```", found[1], flags=re.MULTILINE | re.DOTALL)
    typed = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    assert typed, f"{page} shows no command below {heading}"
    return typed


@dataclass
class Shell:
    """A shell of one user: its folder, its variables, and names that stand for others.

    A line `export …` of a page gives examples: the variables here are used in place of them.
    """

    folder: Path
    variables: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)
    """What a page writes, and what is typed instead."""

    def type(self, page: str, heading: str, *, seconds: float = 600) -> str:
        """Type the lines below a heading; return what they print. Fail at the first that fails."""
        printed = []
        for line in lines(page, heading):
            if line.startswith("export "):
                given = set(re.findall(r"(\w+)=", line))
                assert given <= set(self.variables), f"{page}: {line}"
                continue
            typed = line
            for shown, meant in self.names.items():
                typed = typed.replace(shown, meant)
            printed.append(self.run(typed, seconds=seconds))
        return "".join(printed)

    def run(self, line: str, *, seconds: float = 600) -> str:
        """Run one line; return what it prints."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout
