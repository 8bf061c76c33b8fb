"""The ports to tool handlers, and to a client that executes tools."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from omnia_core.conversation.tools import ToolCall, ToolFailed, ToolResult
from omnia_core.files.tools import ClientConfig, ToolDefinition
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import ToolSpec

__all__ = [
    "CallContext",
    "Changed",
    "ClientExecutor",
    "LiveSource",
    "ToolFailed",
    "ToolRetry",
    "ToolSource",
]


class ToolRetry(Exception):
    """The arguments are invalid; the model may correct them."""


class ClientExecutor(Protocol):
    """A client that executes tools."""

    async def execute(
        self, call: ToolCall, tool: ToolDefinition, config: ClientConfig
    ) -> ToolResult:
        """Send the call to the client and wait for its result; a refusal has `is_error`."""


class CallContext(Struct, frozen=True):
    """The context of a tool call. It does not contain the caller's token, which no tool may get.

    Attributes:
        metadata: gRPC call metadata of the turn, names in lower case (`x-omnia-session-id`, …).
        client: None if there is no client to execute tools, as in a function call.
    """

    call_id: str = ""
    session_id: str = ""
    metadata: Mapping[str, str] = {}
    client: ClientExecutor | None = None


class ToolSource(Protocol):
    """A handler: lists its tools and executes them."""

    @property
    def name(self) -> str:
        """The name of the handler."""

    @property
    def timeout(self) -> float:
        """The timeout of one call in seconds."""

    def specs(self) -> list[ToolSpec]:
        """Return the tools of this handler that are known now."""

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Execute a tool.

        Raises:
            ToolRetry: the arguments are invalid.
            ToolFailed: the call failed.
        """


class LiveSource(ToolSource, Protocol):
    """A handler that discovers its tools from its server.

    From `start` to `close` it discovers them in the background, with back-off while the server is
    unavailable.
    """

    @property
    def problem(self) -> str:
        """What is wrong with the server now; "" if it works."""

    def start(self, changed: "Changed") -> None:
        """Start discovery, on the event loop; `changed` is called when the tools have changed."""

    async def settled(self) -> None:
        """Wait until the first discovery has succeeded or failed."""

    async def listed(self) -> None:
        """Wait until a discovery has succeeded."""

    async def close(self) -> None:
        """Stop discovery and close connections. Running calls end with ToolFailed."""


class Changed(Protocol):
    """A callback for a change of a source's tools."""

    def __call__(self) -> None:
        """Called when `specs` returns a new result."""
