"""A server of FastMCP: `python fastmcp_tools.py`, or with a transport and a port.

It runs in the environment of the servers, not in that of the project.
"""

import asyncio
import os
import sys
from dataclasses import dataclass

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.utilities.types import Audio, File, Image
from mcp_types import (
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ToolListChangedNotification,
)

server = FastMCP("fast")


@dataclass
class Order:
    """An order."""

    number: int
    item: str


@server.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool
def lines(count: int) -> str:
    """Return lines of text."""
    return "\n".join(f"line {number}" for number in range(1, count + 1))


@server.tool
def order() -> Order:
    """Return an object."""
    return Order(7, "oak desk")


@server.tool
def names() -> list[str]:
    """Return a list."""
    return ["Ada", "Grace"]


@server.tool
def nothing() -> None:
    """Return nothing."""


@server.tool
def mixed() -> list:
    """Return text, media and JSON."""
    return ["before", Image(data=b"\x89PNG\r\n\x1a\n", format="png"), {"after": 1}]


@server.tool
def sound() -> Audio:
    """Return audio."""
    return Audio(data=b"RIFF", format="wav")


@server.tool
def pdf() -> File:
    """Return a document."""
    return File(data=b"%PDF", format="pdf", name="terms")


@server.tool
def table() -> File:
    """Return a file that is text."""
    return File(data=b"a,b\n1,2\n", format="csv", name="rows")


@server.tool
def refuse() -> str:
    """Fail with a reason."""
    raise ToolError("no such order")


@server.tool
def crash() -> str:
    """Fail by accident."""
    return str(1 // 0)


@server.tool
async def slow(context: Context) -> str:
    """Report progress before the result."""
    for step in range(5):
        await context.report_progress(step, 5, f"step {step}")
        await asyncio.sleep(0.02)
    return "done"


@server.tool
async def ask(context: Context) -> str:
    """Ask the user by a request of the server, as the older protocols do."""
    return str(await context.elicit("Which order?", response_type=str))


@server.tool
def ask_first() -> str | InputRequiredResult:
    """Ask the user by a result, as the protocol of 2026 does."""
    schema = {"type": "object", "properties": {"order": {"type": "string"}}}
    question = ElicitRequestFormParams(message="Which order?", requested_schema=schema)
    return InputRequiredResult(
        input_requests={"order": ElicitRequest(params=question)}, request_state="1"
    )


@server.tool
async def grow(context: Context) -> str:
    """Add a tool while clients are connected."""

    @server.tool
    def grown() -> str:
        """Return a text."""
        return "grown"

    await context.send_notification(ToolListChangedNotification())
    return "grew"


@server.tool
def end() -> str:
    """End the program."""
    os._exit(3)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [transport, port]:
            server.run(transport, host="127.0.0.1", port=int(port), show_banner=False)
        case _:
            server.run(show_banner=False)
