"""Find the agent or function that a person means: a URL, or the name of one that runs here."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from omnia_cli.cluster import HISTORY_PORT, forwarded, history_of, new_token
from omnia_cli.local.report import Serving
from omnia_cli.running import running, starting
from omnia_core.names import Mode

# The audience of a token for the history of a namespace.
HISTORY = "history"
START_SECONDS = 20.0
_INTERVAL = 0.1


class NotFound(Exception):
    """No agent or function has this name or URL; the message says what runs."""


class Target(NamedTuple):
    """The URL to call, and its bearer token if there is one."""

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
    """Return the URL of an agent or function; wait for its name while an `omnia up` starts.

    Raises:
        NotFound: no such agent or function runs, or the URL is invalid.
    """
    if "://" in name:
        return _as_url(name, mode)
    if _HOST_AND_PORT.match(name):
        return _as_url(f"http://{name}", mode)
    return _of_mode(find(name, environ), mode)


def find(name: str, environ: Mapping[str, str]) -> Serving:
    """Return the agent or function of a name; wait for it while an `omnia up` starts.

    Raises:
        NotFound: no such agent or function runs.
    """
    agents = running(environ)
    deadline = time.monotonic() + START_SECONDS
    while not (found := [agent for agent in agents if agent.name == name]):
        if time.monotonic() > deadline or not starting(environ):
            break
        time.sleep(_INTERVAL)
        agents = running(environ)
    if found:
        return found[0]
    running_names = ", ".join(f"{agent.name} ({agent.mode})" for agent in agents) or "nothing"
    raise NotFound(
        f'no agent named "{name}" runs here; running: {running_names}. '
        "Start one with `omnia up PATH`, or give a URL"
    )


_HOST_AND_PORT = re.compile(r"[^/]+:[0-9]+(/|$)")
# Users copy the address of the console or of the conversation; both mean the same server.
_SECURE = {"ws": False, "http": False, "wss": True, "https": True}


def _as_url(text: str, mode: Mode) -> str:
    """Return the URL with the scheme of the mode and, for an agent, the path /ws if it has none.

    Raises:
        NotFound: the URL is invalid.
    """
    expected = "ws://HOST:PORT/ws" if mode is Mode.AGENT else "http://HOST:PORT/functions/NAME"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise NotFound(f"{text} is not a valid URL ({error}): expected {expected}") from error
    if parts.scheme not in _SECURE or not host:
        raise NotFound(f"{text} is not a valid URL: expected {expected}, or an https address")
    scheme = "ws" if mode is Mode.AGENT else "http"
    path = parts.path
    if mode is Mode.AGENT and path in ("", "/"):
        path = "/ws"
    secure = "s" if _SECURE[parts.scheme] else ""
    return parts._replace(scheme=scheme + secure, path=path, fragment="").geturl()


def _of_mode(agent: Serving, mode: Mode) -> str:
    if agent.mode == mode:
        return agent.url
    command = "call" if agent.mode == Mode.FUNCTION else "chat"
    raise NotFound(f'"{agent.name}" is in mode {agent.mode}: use `omnia {command} {agent.name}`')
