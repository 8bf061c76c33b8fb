"""The command line, whose programs have one more variable.

`python -m tests.end_to_end.omnia_with NAME=VALUE ARGUMENT…`: what it starts gets the variable last,
whatever the manifests say.
"""

import shlex
import sys
import tempfile
from pathlib import Path

from omnia_cli.__main__ import main


def launcher(folder: Path, variable: str) -> Path:
    """Write a program that is Python with one more variable."""
    made = folder / "python"
    command = shlex.join(["env", variable, sys.executable])
    made.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    made.chmod(0o755)
    return made


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        # It starts its programs with the Python that it is run by.
        sys.executable = str(launcher(Path(folder), sys.argv.pop(1)))
        main()
