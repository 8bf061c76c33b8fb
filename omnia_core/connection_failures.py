"""Sentences for the failures of connections to servers: what happened, and what to correct.

The sentences follow the name of the server. The texts of libraries are not quoted: they may contain
headers, and they do not say what to do.
"""

import socket
import ssl
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

UNREACHABLE = "does not accept connections: check that it runs and that its address is correct"

# The statuses by which a server, or a proxy before it, refuses a credential.
CREDENTIAL_REFUSED = frozenset({401, 403, 407})
_NOT_FOUND = frozenset({404, 405, 410})
_NETWORK: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "has an unknown host name: correct its address, or create its Service"),
    (
        ssl.SSLError,
        "has an untrusted certificate, or does not use TLS: correct the server or its address",
    ),
    (ConnectionRefusedError, UNREACHABLE),
)


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that it was raised from, or that its groups contain; nearest first."""
    waiting, seen = [error] if error else [], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions
        waiting += [link for link in (cause.__cause__, cause.__context__) if link is not None]


def is_named(error: BaseException, part: str) -> bool:
    """Whether a class of an error has `part` in its name; its library may not be loaded here."""
    return any(part in kind.__name__ for kind in type(error).__mro__)


def network_problem(causes: Sequence[BaseException]) -> str:
    """Describe a failure of DNS or TLS, or a refused connection; "" for other errors."""
    for kind, problem in _NETWORK:
        if any(isinstance(cause, kind) for cause in causes):
            return problem
    return ""


def timeout_problem(seconds: float) -> str:
    """Describe a server that did not answer within `seconds`."""
    return f"did not answer within {seconds:g} s: check that it runs and is not overloaded"


def status_problem(status: int, address: str = "its address") -> str:
    """Describe an HTTP status that is not a success; `address` is the setting to correct."""
    if status in CREDENTIAL_REFUSED:
        return f"refused the credential (status {status}): correct auth or its Secret"
    if status in _NOT_FOUND:
        return f"has nothing at this path (status {status}): correct {address}"
    return f"answered with status {status}: check its logs"


def shown_address(address: str) -> str:
    """Return an address without its possible secrets: user, password and query."""
    if "://" not in address:
        return address.rpartition("@")[2]
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
