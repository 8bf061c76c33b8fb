"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATH]...",
        help="Manifests, or folders of manifests; - is standard input. Without any: this folder.",
        show_default=False,
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="The same. May be repeated.", show_default=False),
]


def manifests_of(paths: list[Path] | None, files: list[Path] | None) -> list[Path]:
    """Return what a command is about: the named files and folders, else this folder."""
    return [*(paths or ()), *(files or ())] or [Path()]
