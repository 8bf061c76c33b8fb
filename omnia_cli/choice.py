"""Let a person choose among the agents of one name."""

import sys
from collections.abc import Mapping
from typing import NamedTuple

import typer

from omnia_cli.connect import SeveralFound, address_among, find
from omnia_cli.local.report import Serving
from omnia_core.names import Mode

_INTERRUPTED = 130


class Choice(NamedTuple):
    """An agent or function that runs here, and its unambiguous name or URL."""

    agent: Serving
    address: str


def choose(name: str, environ: Mapping[str, str], mode: Mode | None = None) -> Choice:
    """Return the agent or function of a name; ask at a terminal where several have it.

    Args:
        name: NAME or NAMESPACE/NAME.
        environ: the environment of the command.
        mode: what the command is for.

    Raises:
        NotFound: no such agent or function runs.
        typer.BadParameter: several have the name, and nobody can be asked.
    """
    try:
        return Choice(find(name, environ, mode=mode), name)
    except SeveralFound as several:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise typer.BadParameter(str(several), param_hint="NAME") from None
        return _asked(name, several)


def _asked(name: str, several: SeveralFound) -> Choice:
    choices = [Choice(each, address_among(each, several.found)) for each in several.found]
    typer.echo(f'{len(choices)} of the name "{name}" run here, the newest first:', err=True)
    for number, choice in enumerate(choices, 1):
        typer.echo(f"  {number}  {choice.address}", err=True)
    number = 0
    try:
        while not 1 <= number <= len(choices):
            number = typer.prompt(f"Which one (1 to {len(choices)})", type=int, err=True)
    except typer.Abort:
        raise typer.Exit(_INTERRUPTED) from None
    return choices[number - 1]
