"""An MCP server as a program: `python -m tests.discovery.mcp_server streamable-http 12345`."""

import sys
from typing import Literal, cast

from mcp.server.mcpserver import MCPServer

server = MCPServer("weather")


@server.tool()
def forecast(city: str, days: int = 1) -> str:
    """Tell the weather of the next days."""
    return f"{city}: {days} days of sun"


@server.tool()
def erase_everything() -> str:
    """Erase everything."""
    return "gone"


if __name__ == "__main__":
    transport = cast("Literal['sse', 'streamable-http']", sys.argv[1])
    server.run(transport, host="127.0.0.1", port=int(sys.argv[2]))
