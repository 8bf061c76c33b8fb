"""What is seen of a connection to an MCP server beside its messages."""

import asyncio
from contextvars import ContextVar

LARGEST = 10 * 1024 * 1024
TOO_LARGE = "is too large"
FIRST_ERROR = 400
REFUSED = frozenset({401, 403, 407})
_GONE = 404


class Fate:
    """What became of the HTTP requests of one call.

    Attributes:
        status: the last status that was no success, 0 when there was none.
        unprocessed: whether the call certainly did not reach the tool.
    """

    def __init__(self) -> None:
        self.status = 0
        self.unprocessed = False


# The SDK sends a call's requests in the call's own context.
FATE: ContextVar[Fate | None] = ContextVar("mcp_call_fate", default=None)


class Watch:
    """One connection.

    Attributes:
        status: the last HTTP status that was no success, 0 when there was none.
        garbage: whether something else than MCP was received.
        reason: why the connection ended, as far as its transport knows, in words that follow the
            server's name.
        stirred: is set when the connection may have ended, or the tools may have changed.
        up: whether the connection was of use once.
        over: whether it has ended.
    """

    def __init__(self) -> None:
        self.status = 0
        self.garbage = False
        self.reason = ""
        self.stirred = asyncio.Event()
        self.up = False
        self.over = False

    def ended(self, reason: str = "") -> None:
        """Tell that the connection is of no use any more."""
        self.over = True
        self.reason = self.reason or reason
        self.stirred.set()

    def answered(self, status: int, *, in_session: bool) -> None:
        """Tell the status of an answer over HTTP."""
        if status < FIRST_ERROR:
            return
        forgotten = status == _GONE and in_session
        if fate := FATE.get():
            fate.status = status
            fate.unprocessed = status in REFUSED or forgotten
        if forgotten:
            self.ended("has forgotten the session")
            return
        self.status = status
        if status in REFUSED:
            self.ended()
