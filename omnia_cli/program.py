"""How a person runs this command line."""

import shlex
import shutil
import sys
from pathlib import Path


def program() -> str:
    """Return what to type: `omnia`, or the path of the program where the shell does not find it."""
    script = Path(sys.argv[0])
    if shutil.which("omnia") or script.name != "omnia":
        return "omnia"
    return shlex.quote(str(script.absolute()))
