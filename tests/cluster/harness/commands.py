"""Running a program to its end."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.harness.errors import HarnessError

Argument = str | Path


def run(
    *command: Argument,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    seconds: float = 120,
) -> str:
    """Return the standard output of a program.

    Raises:
        HarnessError: it failed or took too long; with the end of what it said.
    """
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as expired:
        raise HarnessError(f"{_line(command)}: not done after {seconds:.0f} s") from expired
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-20:]
        raise HarnessError("\n".join([f"{_line(command)}: exit {done.returncode}", *said]))
    return done.stdout


def succeeds(*command: Argument, seconds: float = 60) -> bool:
    """Tell whether a program ends well."""
    try:
        run(*command, seconds=seconds)
    except (HarnessError, OSError):
        return False
    return True


def _line(command: Sequence[Argument]) -> str:
    words = [str(word) for word in command]
    return " ".join(words[:6]) + (" …" if len(words) > 6 else "")
