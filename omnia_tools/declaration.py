"""What a tool in Python is, how a model sees it, and one call of it."""

import asyncio
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from omnia_core.conversation.tools import ToolFailed
from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_core.tool_names import offered_names

TIMEOUT_SECONDS = 60.0
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SHOWN = 5
_MARK = "__omnia_tool__"

Function = TypeVar("Function", bound=Callable[..., Any])


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
    Arguments: type[BaseModel]

    @abstractmethod
    async def __call__(self, arguments: Any) -> object:
        """Do the work, and return a value for the model: text, or what can be written as JSON.

        A `ToolFailed` is told to the model in its own words. Of any other error the model learns
        that the tool failed; the log has the rest.
        """


@dataclass(frozen=True)
class Mark:
    """The arguments of `@tool`; None and "" stand for the defaults."""

    name: str = ""
    description: str = ""
    timeout: float | None = None


@overload
def tool(function: Function, /) -> Function: ...
@overload
def tool(
    *, name: str = "", description: str = "", timeout: float | None = None
) -> Callable[[Function], Function]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    name: str = "",
    description: str = "",
    timeout: float | None = None,
) -> Function | Callable[[Function], Function]:
    """Mark a function as a tool. The function itself stays as it is, and can be called.

    Every parameter has a type hint, from which the model's JSON Schema is made. The docstring says
    what the tool does and when to use it; its section `Args:` describes the parameters. The
    function is plain or async. What it returns is text, or can be written as JSON; it is compared
    with the type hint of the return value.

    Args:
        function: the function, where nothing else is given: `@tool`.
        name: as the model sees it; that of the function where it is "".
        description: in place of the docstring.
        timeout: of one call, in seconds.
    """
    mark = Mark(name, description, timeout)

    def marked(function: Function) -> Function:
        setattr(function, _MARK, mark)
        return function

    return marked if function is None else marked(function)


def mark_of(value: object) -> Mark | None:
    """Return the mark of a function; None where `@tool` does not stand before it."""
    mark = getattr(value, _MARK, None)
    return mark if isinstance(mark, Mark) else None


@dataclass(frozen=True)
class Declaration:
    """A tool as a model sees it, and its timeout in seconds."""

    name: str
    description: str
    input_schema: JsonObject
    timeout: float


class ArgumentsInvalid(ValueError):
    """The arguments of a call do not fit the tool; the message is for the model."""


class TimeLimitExceeded(Exception):
    """A call did not end in time."""


class ResultInvalid(ValueError):
    """The result of a call is not what the tool declares, or cannot be written as JSON."""


def declare(tool: Tool) -> Declaration:
    """Return how a model sees a tool.

    Raises:
        ConfigurationError: it has no `Arguments`, or a name that models do not accept.
    """
    kind = type(tool)
    arguments = getattr(tool, "Arguments", None)
    if not (inspect.isclass(arguments) and issubclass(arguments, BaseModel)):
        raise ConfigurationError(
            f"{kind.__name__}: expected a class Arguments(pydantic.BaseModel) in the tool"
        )
    name = tool.name or _CAPITAL.sub("_", kind.__name__).lower()
    if offered_names([("python", name)]) != [name]:
        raise ConfigurationError(
            f'{kind.__name__}: the name "{name}" is not one that models accept: expected at most 64'
            " letters, digits, underscores and hyphens"
        )
    # Not inspect.getdoc: it would take the docstring of a parent class.
    description = tool.description or inspect.cleandoc(kind.__doc__ or "")
    return Declaration(name, description, arguments.model_json_schema(), tool.timeout)


async def call(tool: Tool, name: str, arguments: JsonObject, timeout: float) -> str:
    """Call a tool; return its text, or its value as JSON.

    Raises:
        ArgumentsInvalid: the tool was not called.
        ResultInvalid: it has returned something else than it declares.
        ToolFailed: the tool says that it failed.
        TimeLimitExceeded: it did not end within `timeout` seconds.
        Exception: whatever else the tool raises.
    """
    try:
        checked = tool.Arguments.model_validate(arguments)
    except ValidationError as error:
        raise ArgumentsInvalid(
            f"the arguments do not fit the tool: {problems(error, 'they')}"
        ) from error
    try:
        async with asyncio.timeout(timeout) as limit:
            answer = await tool(checked)
    except TimeoutError as error:
        # A time limit of the tool's own, such as that of a socket, is an error like any other.
        if not limit.expired():
            raise
        raise TimeLimitExceeded(f"{name} did not answer within {timeout:g} s") from error
    return _content(name, answer)


def problems(error: ValidationError, whole: str) -> str:
    """Return what is wrong with a value, part by part; `whole` names the value itself."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or whole}: {each['msg']}" for each in found[:_SHOWN]
    )


def _content(name: str, answer: object) -> str:
    if isinstance(answer, str):
        return answer
    try:
        return json_bytes(to_jsonable_python(answer)).decode()
    except (TypeError, ValueError, orjson.JSONEncodeError) as error:
        raise ResultInvalid(f"{name} returned what cannot be written as JSON: {error}") from error


__all__ = [
    "ArgumentsInvalid",
    "Declaration",
    "ResultInvalid",
    "TimeLimitExceeded",
    "Tool",
    "ToolFailed",
    "call",
    "declare",
    "mark_of",
    "problems",
    "tool",
]
