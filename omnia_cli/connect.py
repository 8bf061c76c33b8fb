"""Find the agent or function that a person means: a URL, or the name of one that runs here."""

from collections.abc import Mapping

from omnia_cli.local.report import Serving
from omnia_cli.running import running
from omnia_core.names import Mode


class NotFound(Exception):
    """Nothing of that name runs here; the message says what does."""


def find_url(name: str, mode: Mode, environ: Mapping[str, str]) -> str:
    """Return the URL of an agent or function.

    Raises:
        NotFound: no such agent or function runs.
    """
    if "://" in name:
        return name
    agents = running(environ)
    for agent in agents:
        if agent.name == name:
            return _of_mode(agent, mode)
    there = ", ".join(f"{each.name} ({each.mode})" for each in agents) or "nothing"
    raise NotFound(
        f'no agent named "{name}" runs here; running: {there}. '
        "Start one with `omnia up -f PATH`, or give a URL"
    )


def _of_mode(agent: Serving, mode: Mode) -> str:
    if agent.mode == mode:
        return agent.url
    command = "call" if agent.mode == Mode.FUNCTION else "chat"
    raise NotFound(f'"{agent.name}" is in mode {agent.mode}: use `omnia {command} {agent.name}`')
