"""The program `omnia` of the distributions."""

import sys

# What the command line imports first; omnia-agents-slim alone has neither.
_FIRST = frozenset({"rich", "typer"})


# What a shell reports of a program that Ctrl-C ended.
_INTERRUPTED = 130


def main() -> None:
    """Run the command line, or say what to install where its dependencies are missing."""
    try:
        from omnia_cli.__main__ import main as run
    except KeyboardInterrupt:  # loading takes a second on a busy machine
        sys.exit(_INTERRUPTED)
    except ModuleNotFoundError as error:
        if error.name not in _FIRST:
            raise
        sys.exit(
            f"omnia needs {error.name}, which is not installed: omnia-agents-slim has the modules"
            " without their dependencies. Run: pip install omnia-agents"
        )
    run()
