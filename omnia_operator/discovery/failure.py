"""Why a server could not be asked, in a sentence that says what to do.

The texts of libraries are not shown: they may quote headers, and they help nobody.
"""

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from omnia_core.errors import OmniaError

_UNAUTHENTICATED = frozenset({401, 403, 407})
_NOT_FOUND = frozenset({404, 405, 410})


class HttpStatus(Exception):
    """A server answered a request with a status that is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def shown(address: str) -> str:
    """Return an address without what may be secret in it: user, password and query."""
    if "://" not in address:
        return address.rpartition("@")[2]
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def sentence(error: BaseException, server: str, limit: float) -> str:
    """Say why `server` could not be asked within `limit` seconds."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, OmniaError):
            return f"{server}: {cause.message}"
        if isinstance(cause, HttpStatus):
            return f"{server} {_status(cause.status)}"
    for kinds, said in _NETWORK:
        if any(isinstance(cause, kinds) for cause in causes):
            return f"{server} {said}"
    if any(isinstance(cause, TimeoutError) or _named(cause, "Timeout") for cause in causes):
        return (
            f"{server} did not answer within {limit:g} s: check that it runs and is not overloaded"
        )
    if any(isinstance(cause, OSError) or _named(cause, "Connect") for cause in causes):
        return f"{server} {_REFUSED}"
    return f"{server} answered with something else than was asked: check its address and type"


_REFUSED = "does not accept connections: check that it runs and that its address is right"
_NETWORK: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "has a name that is not known: correct its address, or create its Service"),
    (ssl.SSLError, "has a certificate that is not accepted, or is not encrypted: correct either"),
    (ConnectionRefusedError, _REFUSED),
)


def _status(status: int) -> str:
    if status in _UNAUTHENTICATED:
        return f"refuses the credential (status {status}): correct auth or its Secret"
    if status in _NOT_FOUND:
        return f"has nothing at this path (status {status}): correct its address"
    return f"answered with status {status}: check its logs"


def _named(error: BaseException, part: str) -> bool:
    """Whether an error of a library that may not be loaded belongs to a family."""
    return any(part in kind.__name__ for kind in type(error).__mro__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        waiting += [link for link in (each.__cause__, each.__context__) if link is not None]
