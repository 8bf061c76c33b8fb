"""Turns the failure of a request into a sentence that says what to do."""

from omnia_core.addresses import is_refused
from omnia_core.connection_failures import (
    UNREACHABLE,
    causes_of,
    is_named,
    network_problem,
    status_problem,
    timeout_problem,
)
from omnia_core.errors import OmniaError

REFUSED = (
    "is at an address that the operator does not ask: use the address of a Service, or of another"
    " server"
)

PROXY = (
    "cannot be reached by the operator's proxy: check discovery.proxy of the chart, and the log of"
    " the proxy"
)


class HttpStatus(Exception):
    """A server answered a request with a status that is not a success."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def sentence(error: BaseException, server: str, limit: float) -> str:
    """Return why the request to `server` failed; `limit` is its time limit in seconds."""
    causes = list(causes_of(error))
    for cause in causes:
        if is_refused(cause):
            return f"{server} {REFUSED}"
        if isinstance(cause, OmniaError):
            return f"{server}: {cause.message}"
        if isinstance(cause, HttpStatus):
            return f"{server} {status_problem(cause.status)}"
    if any(is_named(cause, "Proxy") for cause in causes):
        return f"{server} {PROXY}"
    if problem := network_problem(causes):
        return f"{server} {problem}"
    if any(isinstance(cause, TimeoutError) or is_named(cause, "Timeout") for cause in causes):
        return f"{server} {timeout_problem(limit)}"
    if any(isinstance(cause, OSError) or is_named(cause, "Connect") for cause in causes):
        return f"{server} {UNREACHABLE}"
    return f"{server} sent an unexpected answer: check its address and type"
