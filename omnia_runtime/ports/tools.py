"""What the manager asks of an adapter, and how a call may end."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.files.tools import ClientConfig, ToolDefinition
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import ToolSpec


class ToolRetry(Exception):
    """The arguments are wrong, and the model may mend them."""


class ToolFailed(Exception):
    """The tool did not do it; the model is told why.

    Attributes:
        server_fault: whether the server, and not the call, is at fault: such failures in a row
            open the handler's circuit breaker.
    """

    def __init__(self, message: str, *, server_fault: bool = False) -> None:
        super().__init__(message)
        self.server_fault = server_fault


class ClientExecutor(Protocol):
    """The client of a conversation, which executes tools itself."""

    async def execute(
        self, call: ToolCall, tool: ToolDefinition, config: ClientConfig
    ) -> ToolResult:
        """Ask the client, and wait for its answer; a refusal is a result with `is_error`."""


class CallContext(Struct, frozen=True):
    """Who a call is made for. The caller's token is not in it, and never reaches a tool.

    Attributes:
        metadata: gRPC call metadata of the turn, names in lower case (`x-omnia-session-id`, …).
        client: None where nobody could execute a tool of the client, as in a function.
    """

    call_id: str = ""
    session_id: str = ""
    metadata: Mapping[str, str] = {}
    client: ClientExecutor | None = None


class ToolSource(Protocol):
    """A handler: it names its tools and executes them."""

    @property
    def name(self) -> str:
        """The name of the handler."""

    @property
    def timeout(self) -> float:
        """Seconds that one call may take."""

    def specs(self) -> list[ToolSpec]:
        """Return the tools of this handler, as far as they are known now."""

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        """Execute a tool.

        Raises:
            ToolRetry: the model may mend its arguments.
            ToolFailed: the tool did not do it.
        """


class LiveSource(ToolSource, Protocol):
    """A handler whose server says itself which tools it has.

    It keeps asking in the background, from `start` to `close`, with a back-off while the server is
    away. It changes its tools by calling what `start` was given.
    """

    @property
    def problem(self) -> str:
        """What is wrong with the server now, "" when nothing is."""

    def start(self, changed: "Changed") -> None:
        """Begin to ask; call it on the event loop."""

    async def settled(self) -> None:
        """Wait until the first question is answered or has failed."""

    async def close(self) -> None:
        """Stop asking, and let go of connections. Running calls end with ToolFailed."""


class Changed(Protocol):
    """Tells whoever holds a source that its tools are others now."""

    def __call__(self) -> None:
        """`specs` returns something else than before."""
