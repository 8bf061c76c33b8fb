"""Find the agent or function that a person means: a URL, or the name of one that runs here."""

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from omnia_cli.cluster import HISTORY_PORT, history_of, new_token
from omnia_cli.local.report import Serving
from omnia_cli.port_forward import forwarded
from omnia_cli.running import announced_any, running, starting
from omnia_core.names import Mode

# The audience of a token for the history of a namespace.
HISTORY = "history"
START_SECONDS = 120.0
# How long a command waits for an `omnia up` that was started together with it.
_ANNOUNCE_SECONDS = 2.0
_INTERVAL = 0.05
# How many agents a message names.
_NAMED = 10


class NotFound(Exception):
    """No agent or function has this name or URL; the message says what runs."""


class SeveralFound(NotFound):
    """Several agents or functions have the name; the message gives the address of each."""

    def __init__(self, name: str, found: Sequence[Serving]) -> None:
        addresses = [address_among(each, found) for each in found]
        more = f" and {len(found) - _NAMED} more, which `omnia ps` lists" * (len(found) > _NAMED)
        super().__init__(
            f'{len(found)} of the name "{name}" run here: give the address of one:'
            f" {', '.join(addresses[:_NAMED])}{more}"
        )
        self.found = found


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
        SeveralFound: several have the name.
    """
    if is_url(name):
        return _as_url(name if "://" in name else f"http://{name}", mode)
    return _of_mode(find(name, environ, mode=mode), mode)


def is_url(name: str) -> bool:
    """Whether a person gave a URL, or a host and port, in place of a name."""
    return "://" in name or bool(_HOST_AND_PORT.match(name))


def address_among(agent: Serving, agents: Sequence[Serving]) -> str:
    """Return an unambiguous address of an agent: NAMESPACE/NAME, or its URL if that is shared."""
    name = f"{agent.namespace}/{agent.name}"
    return name if sum(each.is_named(name) for each in agents) == 1 else agent.url


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def find(
    name: str,
    environ: Mapping[str, str],
    say: Callable[[str], None] = _note,
    *,
    mode: Mode | None = None,
) -> Serving:
    """Return the agent or function of a name; wait for it while it starts.

    Args:
        name: of the agent, NAME or NAMESPACE/NAME.
        environ: the environment of the command.
        say: gets a line when it waits.
        mode: what the command is for; others are left out where one of this mode has the name.

    Raises:
        NotFound: no such agent or function runs.
        SeveralFound: several have the name.
    """
    found = _served(name, environ)
    if not found:
        _await_announcement(environ)
        found = _started(name, environ, say)
    if not found:
        raise NotFound(
            f'no agent named "{name}" runs here; running: {_names(running(environ))}. '
            "Start one with `omnia up PATH`, or give a URL"
        )
    usable = [agent for agent in found if agent.mode == mode] or found
    if len(usable) > 1:
        raise SeveralFound(name, usable)
    return usable[0]


def newest(environ: Mapping[str, str]) -> str:
    """Return the URL of the page of the `omnia up` that was started last.

    Raises:
        NotFound: nothing runs.
    """
    for agent in running(environ):
        return agent.hub or agent.console
    raise NotFound("nothing runs here: start agents with `omnia up PATH`")


def _served(name: str, environ: Mapping[str, str]) -> list[Serving]:
    return [agent for agent in running(environ) if agent.is_named(name)]


def _await_announcement(environ: Mapping[str, str]) -> None:
    """Wait for an `omnia up` where none runs: one may have been started with this command."""
    deadline = time.monotonic() + _ANNOUNCE_SECONDS
    while not announced_any(environ) and time.monotonic() < deadline:
        time.sleep(_INTERVAL)


def _started(name: str, environ: Mapping[str, str], say: Callable[[str], None]) -> list[Serving]:
    """Return the agents of a name when one serves or none starts any more.

    Raises:
        NotFound: one takes too long.
    """
    deadline = time.monotonic() + START_SECONDS
    told = False
    while True:
        # Asked first: an agent that has become ready since is found all the same.
        waits = starting(environ, name)
        if (found := _served(name, environ)) or not waits:
            return found
        if not told:
            say(f'waiting for "{name}", which `omnia up` is starting')
            told = True
        if time.monotonic() > deadline:
            raise NotFound(
                f'"{name}" has not started within {START_SECONDS:.0f} s: the terminal of '
                "`omnia up`, or `omnia logs`, shows what it waits for"
            )
        time.sleep(_INTERVAL)


def _names(agents: Sequence[Serving]) -> str:
    """Return the names of what runs, the newest first, not too many for a line."""
    named = [f"{agent.name} ({agent.mode})" for agent in agents[:_NAMED]]
    more = len(agents) - len(named)
    further = [f"and {more} more, which `omnia ps` lists"] if more else []
    return ", ".join([*named, *further]) or "nothing"


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
