"""Tools that are written in Python, as a handler of the runtime."""

from collections.abc import Callable, Sequence
from typing import Any

from omnia_core.conversation.tools import ToolFailed, ToolResult
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, ToolRetry
from omnia_runtime.tools.guarded import ToolTimeout
from omnia_tools.declaration import (
    TIMEOUT_SECONDS,
    ArgumentsInvalid,
    ResultInvalid,
    TimeLimitExceeded,
    Tool,
    call,
    declare,
    mark_of,
)
from omnia_tools.function import FunctionTool


class PythonTools:
    """The tools of an agent, as a handler of the runtime."""

    name = "python"

    def __init__(self, tools: Sequence[Tool | Callable[..., Any]]) -> None:
        """Check the tools.

        Raises:
            ConfigurationError: a tool is none, has no `Arguments`, or a name that is invalid or
                taken.
        """
        self._tools: dict[str, Tool] = {}
        self._specs: list[ToolSpec] = []
        for each in tools:
            tool = _tool(each)
            found = declare(tool)
            if found.name in self._tools:
                raise ConfigurationError(f'tools: two are named "{found.name}": rename one')
            self._tools[found.name] = tool
            self._specs.append(ToolSpec(found.name, found.description, found.input_schema))

    @property
    def timeout(self) -> float:
        return max((tool.timeout for tool in self._tools.values()), default=TIMEOUT_SECONDS)

    def specs(self) -> list[ToolSpec]:
        return self._specs

    async def call(
        self,
        tool: str,
        arguments: JsonObject,
        context: CallContext,  # noqa: ARG002 - the protocol's
    ) -> ToolResult:
        found = self._tools[tool]
        try:
            return ToolResult(await call(found, tool, arguments, found.timeout))
        except ArgumentsInvalid as error:
            raise ToolRetry(str(error)) from error
        except ResultInvalid as error:
            raise ToolFailed(str(error)) from error
        except TimeLimitExceeded as error:
            raise ToolTimeout(str(error)) from error


def _tool(given: Tool | Callable[..., Any]) -> Tool:
    if isinstance(given, Tool):
        return given
    mark = mark_of(given)
    if mark is None:
        name = getattr(given, "__name__", type(given).__name__)
        raise ConfigurationError(f"tools: {name} is no tool: write @tool before the function")
    return FunctionTool(given, mark)
