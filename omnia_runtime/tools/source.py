"""What the manager asks of an adapter, and how a call may end."""

from typing import Protocol

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject
from omnia_runtime.providers.port import ToolSpec


class ToolRetry(Exception):
    """The arguments are wrong, and the model may mend them."""


class ToolFailed(Exception):
    """The tool did not do it; the model is told why."""


class ToolResult(Struct, frozen=True):
    """The answer of a tool, as text for the model (JSON where it is JSON)."""

    content: str
    is_error: bool = False


class ToolSource(Protocol):
    """A handler: it names its tools and executes them."""

    @property
    def name(self) -> str:
        """The name of the handler."""

    @property
    def timeout(self) -> float:
        """Seconds that one call may take."""

    def specs(self) -> list[ToolSpec]:
        """Return the tools of this handler."""

    async def call(self, tool: str, arguments: JsonObject) -> str:
        """Execute a tool and return its result as text.

        Raises:
            ToolRetry: the model may mend its arguments.
            ToolFailed: the tool did not do it.
        """
