"""`python -m omnia_tools FOLDER`: an MCP server with the tools of a folder."""

import argparse
import asyncio
import sys
from pathlib import Path

from omnia_core.units import Duration


def main() -> int:
    """Serve the tools of a folder; return 2 when there is no such folder."""
    parser = argparse.ArgumentParser(prog="python -m omnia_tools", description=__doc__)
    parser.add_argument("folder", type=Path, help="Python files, directly in it")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--timeout", default="30s", type=Duration.parse, help="of a call")
    parser.add_argument("--shown-as", default="", help="the folder that messages name")
    given = parser.parse_args()
    if not given.folder.is_dir():
        print(f"{given.folder} is no folder: name one with Python files", file=sys.stderr)
        return 2
    # Loaded after the arguments are checked.
    from omnia_tools.server import serve  # noqa: PLC0415

    shown = given.shown_as or str(given.folder)
    return asyncio.run(serve(given.folder, shown, given.host, given.port, given.timeout.seconds))


if __name__ == "__main__":
    sys.exit(main())
