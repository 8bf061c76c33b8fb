"""Tools that are written in Python."""

import asyncio
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from omnia_core.conversation.tools import ToolResult
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_core.tool_names import offered_names
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext, ToolFailed, ToolRetry
from omnia_runtime.tools.guarded import ToolTimeout

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
TIMEOUT_SECONDS = 60.0


class Tool(ABC):
    """A tool for a model. A subclass has a class `Arguments` and an async `__call__`.

    Attributes:
        name: as the model sees it; the class's name in snake case where it is "".
        description: for the model; the class's docstring where it is "".
        timeout: of one call, in seconds.
    """

    name: str = ""
    description: str = ""
    timeout: float = TIMEOUT_SECONDS
    Arguments: ClassVar[type[BaseModel]]

    @abstractmethod
    async def __call__(self, arguments: Any) -> object:
        """Do the work, and return a value for the model: text, or what can be written as JSON.

        A `ToolFailed` is told to the model in its own words. Of any other error the model learns
        that the tool failed; the log has the rest.
        """


class PythonTools:
    """The tools of an agent, as a handler of the runtime."""

    name = "python"

    def __init__(self, tools: Sequence[Tool]) -> None:
        """Check the tools.

        Raises:
            ConfigurationError: a tool has no `Arguments`, or a name that is invalid or taken.
        """
        self._tools: dict[str, Tool] = {}
        self._specs: list[ToolSpec] = []
        for tool in tools:
            spec = _spec(tool)
            if spec.name in self._tools:
                raise ConfigurationError(f'tools: two are named "{spec.name}": rename one')
            self._tools[spec.name] = tool
            self._specs.append(spec)

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
            checked = found.Arguments.model_validate(arguments)
        except ValidationError as error:
            raise ToolRetry(_problems(error)) from error
        try:
            async with asyncio.timeout(found.timeout):
                answer = await found(checked)
        except TimeoutError as error:
            raise ToolTimeout(f"{tool} did not answer within {found.timeout:g} s") from error
        return ToolResult(_content(tool, answer))


def _spec(tool: Tool) -> ToolSpec:
    kind = type(tool)
    arguments = getattr(kind, "Arguments", None)
    if not (inspect.isclass(arguments) and issubclass(arguments, BaseModel)):
        raise ConfigurationError(
            f"{kind.__name__}: expected a class Arguments(pydantic.BaseModel) in the tool"
        )
    name = tool.name or _CAPITAL.sub("_", kind.__name__).lower()
    if offered_names([(PythonTools.name, name)]) != [name]:
        raise ConfigurationError(
            f'{kind.__name__}: the name "{name}" is not one that models accept: expected at most 64'
            " letters, digits, underscores and hyphens"
        )
    # Not inspect.getdoc: it would take the docstring of a parent class.
    description = tool.description or inspect.cleandoc(kind.__doc__ or "")
    return ToolSpec(name, description, arguments.model_json_schema())


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "the arguments do not fit the tool: " + "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'they'}: {each['msg']}" for each in found
    )


def _content(tool: str, answer: object) -> str:
    if isinstance(answer, str):
        return answer
    try:
        return json_bytes(to_jsonable_python(answer)).decode()
    except (TypeError, ValueError, orjson.JSONEncodeError) as error:
        raise ToolFailed(f"{tool} returned what cannot be written as JSON: {error}") from error
