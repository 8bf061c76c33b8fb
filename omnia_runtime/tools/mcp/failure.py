"""Why an MCP server could not be asked, in words that follow its name.

The texts of libraries are not shown: they may quote headers, and they help nobody.
"""

import socket
import ssl
from collections.abc import Iterator, Sequence

from omnia_runtime.ports.tools import ToolFailed
from omnia_runtime.tools.addresses import AddressRefused
from omnia_runtime.tools.mcp.watch import REFUSED, TOO_LARGE, Watch


class Unprocessed(ToolFailed):
    """The server has not looked at the call: the same call on a new connection does no harm."""


# codes of the SDK, which is not loaded here
_CLOSED, _TIMED_OUT = -32000, -32001
_NOTHING_THERE = frozenset({404, 405, 410})


def why(error: BaseException | None, watch: Watch, seconds: float) -> str:
    """Say why a connection could not be made within `seconds`, or ended."""
    causes = list(_causes(error))
    told = next((str(cause) for cause in causes if isinstance(cause, ToolFailed)), "")
    seen = status_said(watch.status) if watch.status else watch.reason
    if told or seen:
        return told or seen
    if error is None:
        return _ENDED
    return _met(causes, seconds, watch)


def _met(causes: Sequence[BaseException], seconds: float, watch: Watch) -> str:
    for kinds, said in _SYSTEM:
        if any(isinstance(cause, kinds) for cause in causes):
            return said
    if any(is_too_large(str(cause)) for cause in causes):
        return "has sent a message that is too large"
    if watch.garbage:
        return _ELSE
    if any(_is_timeout(cause) for cause in causes):
        return f"did not answer in {seconds:g} s: check that it runs and is not overloaded"
    if any(isinstance(cause, OSError) or _named(cause, "ConnectError") for cause in causes):
        return _NOT_REACHED
    if any(_is_end(cause) for cause in causes):
        return _ENDED
    return _ELSE


_ENDED = "has ended the connection"
_NOT_REACHED = "does not accept connections: check that it runs and that its address is right"
_ELSE = "answers with something else than MCP: check its address and transport"
_SYSTEM: tuple[tuple[type[BaseException], str], ...] = (
    (AddressRefused, "is at a private address, and tools may not be at such an address here"),
    (FileNotFoundError, "is no program that is there: correct mcpConfig.command or workDir"),
    (PermissionError, "is no program that may be run: correct mcpConfig.command"),
    (socket.gaierror, "has a name that is not known: correct its address, or create its Service"),
    (ssl.SSLError, "has a certificate that is not accepted, or is not encrypted: correct either"),
    (ConnectionRefusedError, _NOT_REACHED),
)


def status_said(status: int) -> str:
    """Say what an HTTP status means."""
    if status in REFUSED:
        return f"refuses the credential (status {status}): correct auth or its Secret"
    if status in _NOTHING_THERE:
        return f"has nothing at this path (status {status}): correct mcpConfig.endpoint"
    return f"answered with status {status}: check its logs"


def is_too_large(text: str) -> bool:
    """Whether an error of the SDK says that a message was larger than what is read."""
    return TOO_LARGE in text or ("exceeded the" in text and "byte limit" in text)


def _is_timeout(error: BaseException) -> bool:
    code = getattr(error, "code", None)
    return isinstance(error, TimeoutError) or _named(error, "Timeout") or code == _TIMED_OUT


def _is_end(error: BaseException) -> bool:
    code = getattr(error, "code", None)
    return _named(error, "NetworkError") or "disconnected" in str(error) or code == _CLOSED


def _named(error: BaseException, part: str) -> bool:
    """Whether an error of a library that may not be loaded belongs to a family."""
    return any(part in kind.__name__ for kind in type(error).__mro__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    waiting, seen = [error] if error else [], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        waiting += [link for link in (each.__cause__, each.__context__) if link is not None]
