"""Turns the failure of a request into a sentence that says what to do.

Messages of libraries are not shown: they may quote headers with credentials.
"""

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from omnia_core.errors import OmniaError

_UNAUTHENTICATED = frozenset({401, 403, 407})
_NOT_FOUND = frozenset({404, 405, 410})


class HttpStatus(Exception):
    """A server answered with a status other than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def shown(address: str) -> str:
    """Return an address without its user, password and query, which may be secret."""
    if "://" not in address:
        return address.rpartition("@")[2]
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def sentence(error: BaseException, server: str, limit: float) -> str:
    """Return why the request to `server` failed; `limit` is its time limit in seconds."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, OmniaError):
            return f"{server}: {cause.message}"
        if isinstance(cause, HttpStatus):
            return f"{server} {_status(cause.status)}"
    for kinds, message in _NETWORK:
        if any(isinstance(cause, kinds) for cause in causes):
            return f"{server} {message}"
    if any(isinstance(cause, TimeoutError) or _named(cause, "Timeout") for cause in causes):
        return (
            f"{server} did not answer within {limit:g} s: check that it runs and is not overloaded"
        )
    if any(isinstance(cause, OSError) or _named(cause, "Connect") for cause in causes):
        return f"{server} {_REFUSED}"
    return f"{server} sent an unexpected answer: check its address and type"


_REFUSED = "does not accept connections: check that it runs and that its address is correct"
_NETWORK: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "has an unknown host name: correct its address, or create its Service"),
    (
        ssl.SSLError,
        "has an untrusted certificate, or does not use TLS: correct the server or its address",
    ),
    (ConnectionRefusedError, _REFUSED),
)


def _status(status: int) -> str:
    if status in _UNAUTHENTICATED:
        return f"refused the credential (status {status}): correct auth or its Secret"
    if status in _NOT_FOUND:
        return f"has nothing at this path (status {status}): correct its address"
    return f"answered with status {status}: check its logs"


def _named(error: BaseException, part: str) -> bool:
    """Whether the name of the error's class, or of a base, contains a word.

    The library with the class may not be loaded.
    """
    return any(part in kind.__name__ for kind in type(error).__mro__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    pending, seen = [error], set[int]()
    while pending:
        cause = pending.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            pending += cause.exceptions
        pending += [link for link in (cause.__cause__, cause.__context__) if link is not None]
