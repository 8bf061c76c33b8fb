"""Find the agent or function that a person means: a URL, or the name of one that runs here."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from omnia_cli.cluster import HISTORY_PORT, forwarded, history_of, new_token
from omnia_cli.local.report import Serving
from omnia_cli.running import running
from omnia_core.names import Mode

# What a token for the history of a namespace is for.
HISTORY = "history"


class NotFound(Exception):
    """Nothing of that name runs here; the message says what does."""


class Target(NamedTuple):
    """What is called, and the bearer token that goes with it, if there is one."""

    url: str
    token: str | None


@contextlib.contextmanager
def in_cluster(
    name: str, mode: Mode, token: str | None, *, namespace: str, account: str
) -> Iterator[Target]:
    """Yield an agent or function of a cluster, for as long as the context lasts.

    Without a token one is made, of a ServiceAccount of the namespace.

    Raises:
        KubectlFailed: it cannot be reached, or there is no token.
    """
    token = token or new_token(name, namespace, account)
    with forwarded(name, namespace) as port:
        if mode is Mode.FUNCTION:
            yield Target(f"http://127.0.0.1:{port}/functions/{name}", token)
        else:
            yield Target(f"ws://127.0.0.1:{port}/ws", token)


@contextlib.contextmanager
def history_in_cluster(namespace: str, token: str | None, account: str) -> Iterator[Target]:
    """Yield the history of a namespace of a cluster, for as long as the context lasts.

    Without a token one is made, of a ServiceAccount of the namespace.

    Raises:
        KubectlFailed: it cannot be reached, or there is no token.
    """
    service = history_of(namespace)
    token = token or new_token(HISTORY, namespace, account)
    with forwarded(service.name, service.namespace, HISTORY_PORT) as port:
        yield Target(f"http://127.0.0.1:{port}", token)


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
