"""An MCP server: how it is reached, the state of a connection to it, and why it failed.

The SDK is not imported here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from msgspec import Struct

from omnia_core.addresses import AddressRefused
from omnia_core.authorities import context_with
from omnia_core.connection_failures import (
    CREDENTIAL_REFUSED,
    UNREACHABLE,
    causes_of,
    is_named,
    network_problem,
    status_problem,
    timeout_problem,
)
from omnia_core.errors import ConfigurationError
from omnia_core.files.config_text import ConfigText
from omnia_core.files.tools import MCPConfig, ToolHandler
from omnia_core.mcp_client import ServerErrorData, ToolLists
from omnia_core.units import Duration
from omnia_runtime.ports.tools import ToolFailed
from omnia_runtime.tools.credentials import SecretValues

MAX_MESSAGE_BYTES = 10 * 1024 * 1024
TOO_LARGE = "is too large"
FIRST_ERROR = 400
_MAX_WORDS = 512

_TRANSPORTS = ("streamable-http", "sse", "stdio")
# Error codes of the SDK, which is not loaded here.
_CLOSED, _TIMED_OUT = -32000, -32001
_CONNECTION_ENDED = "has ended the connection"
_NOT_MCP = "answers with something else than MCP: check its address and transport"
_SYSTEM_PROBLEMS: tuple[tuple[type[BaseException], str], ...] = (
    (AddressRefused, "is at a private address, where tools are not allowed here"),
    (FileNotFoundError, "is a program that does not exist: correct mcpConfig.command or workDir"),
    (PermissionError, "is a program that may not be run: correct mcpConfig.command"),
)


class MCPServer(Struct, frozen=True):
    """A server and how it is reached.

    Attributes:
        name: of the handler.
        timeout: seconds that one request may take.
        headers: returns the headers with the credential; called for each request.
        variables: returns the environment of a program from Secrets; called for each start.
        deny_private: whether a server over HTTP must be at a public address.
        authority: a certificate authority that is trusted beside the public ones.
    """

    name: str
    config: MCPConfig
    timeout: float
    headers: Callable[[], Mapping[str, str]]
    variables: Callable[[], Mapping[str, str]]
    deny_private: bool = False
    authority: ConfigText | None = None


def server_of(
    handler: ToolHandler, headers: Callable[[], Mapping[str, str]], *, deny_private: bool
) -> MCPServer:
    """Return the server of a handler of type mcp.

    Raises:
        ValueError: the handler is invalid; the message says why.
    """
    config = handler.mcp_config
    if config is None:
        raise ValueError("a handler of type mcp needs mcpConfig")
    if config.transport not in _TRANSPORTS:
        raise ValueError(
            f"mcpConfig.transport: expected one of {', '.join(_TRANSPORTS)},"
            f' found "{config.transport}"'
        )
    if config.transport == "stdio":
        if not config.command:
            raise ValueError("a server over stdio is a program: add mcpConfig.command")
    elif not config.endpoint.startswith(("http://", "https://")):
        raise ValueError("mcpConfig.endpoint must be an http or https URL")
    timeout = Duration.parse(handler.timeout).seconds
    secrets = SecretValues(config.headers_from)

    def all_headers() -> Mapping[str, str]:
        return {**config.headers, **secrets.read(), **headers()}

    try:
        context_with(handler.authority)
    except ConfigurationError as error:
        raise ValueError(error.message) from error
    variables = SecretValues(config.env_from).read
    authority = handler.authority
    return MCPServer(handler.name, config, timeout, all_headers, variables, deny_private, authority)


class CallOutcome:
    """What happened to the HTTP requests of one call.

    Attributes:
        status: the last status that was an error, 0 when there was none.
        unprocessed: whether the call certainly did not reach the tool.
    """

    def __init__(self) -> None:
        self.status = 0
        self.unprocessed = False


# The SDK sends the requests of a call in the context of the call.
CALL_OUTCOME: ContextVar[CallOutcome | None] = ContextVar("mcp_call_outcome", default=None)


class ConnectionState:
    """What is known of one connection beside its messages.

    Attributes:
        status: the last HTTP status that was an error, 0 when there was none.
        garbage: whether something else than MCP was received.
        reason: why the connection ended, as far as its transport knows, in words that follow the
            server's name.
        check: set when the connection may have ended, or the tools may have changed.
        up: whether the connection was usable once.
        over: whether it has ended.
        lists: the checks of the server's lists of tools.
    """

    def __init__(self) -> None:
        self.status = 0
        self.garbage = False
        self.reason = ""
        self.check = asyncio.Event()
        self.up = False
        self.over = False
        self.lists = ToolLists()

    def unreachable(self) -> None:
        """Called when a message cannot be sent, because nothing accepts the connection."""
        if outcome := CALL_OUTCOME.get():
            outcome.unprocessed = True
        self.ended()

    def ended(self, reason: str = "") -> None:
        """Called when the connection is no longer usable."""
        self.over = True
        self.reason = self.reason or reason
        self.check.set()

    def answered(self, status: int, *, session_lost: bool = False) -> None:
        """Called with the status of each HTTP response.

        Args:
            status: of the response.
            session_lost: whether it means that the server does not know the session.
        """
        if status < FIRST_ERROR:
            return
        if outcome := CALL_OUTCOME.get():
            outcome.status = status
            outcome.unprocessed = status in CREDENTIAL_REFUSED or session_lost
        if session_lost:
            self.ended("has forgotten the session")
            return
        self.status = status
        if status in CREDENTIAL_REFUSED:
            self.ended()


class Unprocessed(ToolFailed):
    """The server has not processed the call: it is safe to repeat it on a new connection."""


def connection_problem(error: BaseException | None, state: ConnectionState, seconds: float) -> str:
    """Say why a connection ended, or was not made within `seconds`; follows the server's name."""
    causes = list(causes_of(error))
    own = next((str(cause) for cause in causes if isinstance(cause, ToolFailed)), "")
    observed = http_problem(state.status) if state.status else state.reason
    refusal = next(filter(None, map(_refusal, causes)), "")
    if own or observed or refusal:
        return own or observed or refusal
    if error is None:
        return _CONNECTION_ENDED
    return _problem_of(causes, seconds, state)


def _refusal(cause: BaseException) -> str:
    """Return the server's own words, if it answered the handshake or the listing with an error."""
    error: Any = getattr(cause, "error", None)
    if error is not None and isinstance(getattr(error, "data", None), ServerErrorData):
        return f"answers with an error: {error.message[:_MAX_WORDS]}"
    return ""


def _problem_of(causes: Sequence[BaseException], seconds: float, state: ConnectionState) -> str:
    for kind, problem in _SYSTEM_PROBLEMS:
        if any(isinstance(cause, kind) for cause in causes):
            return problem
    if problem := network_problem(causes):
        return problem
    if any(is_too_large(str(cause)) for cause in causes):
        return "has sent a message that is too large"
    if state.garbage:
        return _NOT_MCP
    if any(_is_timeout(cause) for cause in causes):
        return timeout_problem(seconds)
    if any(isinstance(cause, OSError) or is_named(cause, "ConnectError") for cause in causes):
        return UNREACHABLE
    if any(_is_end(cause) for cause in causes):
        return _CONNECTION_ENDED
    return _NOT_MCP


def http_problem(status: int) -> str:
    """Describe an HTTP status that is an error."""
    return status_problem(status, "mcpConfig.endpoint")


def is_too_large(text: str) -> bool:
    """Whether an error text of the SDK is about a message that is larger than allowed."""
    return TOO_LARGE in text or ("exceeded the" in text and "byte limit" in text)


def _is_timeout(error: BaseException) -> bool:
    code = getattr(error, "code", None)
    return isinstance(error, TimeoutError) or is_named(error, "Timeout") or code == _TIMED_OUT


def _is_end(error: BaseException) -> bool:
    code = getattr(error, "code", None)
    return is_named(error, "NetworkError") or "disconnected" in str(error) or code == _CLOSED
