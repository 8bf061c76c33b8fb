"""Tools that the client of the conversation executes."""

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.files.tools import ClientConfig, ToolDefinition, ToolHandler
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_core.units import Duration
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, ToolFailed
from omnia_runtime.tools.guarded import GuardedSource

# The name of the handler of tools that a client offers itself.
REQUEST_HANDLER = "request"
# The facade's own limit, which is shorter, ends first.
REQUEST_TIMEOUT = "10m"


def offered_by_client(tool: ToolSpec) -> GuardedSource:
    """Return the handler of a tool that the client of one turn offers."""
    definition = ToolDefinition(tool.name, tool.description, tool.input_schema)
    handler = ToolHandler(REQUEST_HANDLER, "client", REQUEST_TIMEOUT, definition)
    return GuardedSource(ClientSource(handler), breaks=False)


class ClientSource:
    """One handler with one tool. Its timeout limits how long the client may take."""

    def __init__(self, handler: ToolHandler) -> None:
        """Read the configuration.

        Raises:
            ValueError: the handler has no tool, or its timeout is not a duration.
        """
        if handler.tool is None:
            raise ValueError("a handler of type client needs tool")
        self.name = handler.name
        self.timeout = Duration.parse(handler.timeout).seconds
        self._definition: ToolDefinition = handler.tool
        self._config = handler.client_config or ClientConfig()

    def specs(self) -> list[ToolSpec]:
        tool = self._definition
        return [ToolSpec(tool.name, tool.description, tool.input_schema, on_client=True)]

    async def call(self, tool: str, arguments: JsonObject, context: CallContext) -> ToolResult:
        if context.client is None:
            raise ToolFailed(
                f'"{tool}" runs on the client of a conversation, but this call has no client'
            )
        call = ToolCall(context.call_id, tool, json_bytes(arguments).decode())
        return await context.client.execute(call, self._definition, self._config)
