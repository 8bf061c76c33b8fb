"""A function as a tool: its schema from type hints, its description from the docstring."""

import asyncio
import inspect
import re
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError
from pydantic import create_model as make_model
from pydantic_core import PydanticUndefined
from pydantic_core import SchemaError as CoreSchemaError

from omnia_core.errors import ConfigurationError
from omnia_core.jsonvalue import JsonObject
from omnia_tools.declaration import TIMEOUT_SECONDS, Mark, ResultInvalid, Tool, problems

# Sections of Google's style of docstrings (google.github.io/styleguide/pyguide.html#383-functions).
_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?):\s*$")
_PARAMETER = re.compile(r"^\s+(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_KINDS: dict[Any, str] = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional-only: remove the /",
    inspect.Parameter.VAR_POSITIONAL: "takes any number of values: write a list in its place",
    inspect.Parameter.VAR_KEYWORD: "takes any names: write a parameter for each",
}


class FunctionTool(Tool):
    """A marked function."""

    def __init__(self, function: Callable[..., Any], mark: Mark) -> None:
        """Read the signature.

        Raises:
            ConfigurationError: a type hint or the docstring is missing, or cannot be used.
        """
        self._function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.name = mark.name or function.__name__
        text, parameters = read_docstring(inspect.getdoc(function) or "")
        self.description = mark.description or text
        self.timeout = TIMEOUT_SECONDS if mark.timeout is None else mark.timeout
        if not self.description:
            raise ConfigurationError(
                f"{self.name} has no docstring: say in it what the tool does and when to use it"
            )
        hints = _hints(function, self.name)
        self._names: dict[str, str] = {}
        fields: dict[str, Any] = {}
        for index, parameter in enumerate(inspect.signature(function).parameters.values()):
            _check_parameter(self.name, parameter, hints)
            # Names of their own, because pydantic refuses some: `schema`, `_id`, `model_config`.
            self._names[f"p{index}"] = parameter.name
            fields[f"p{index}"] = (hints[parameter.name], _field(parameter, parameters))
        try:
            self.Arguments = make_model(self.name, __base__=_Arguments, **fields)
            self.Arguments.model_json_schema()
            returned = hints.get("return", Any)
            self._result = TypeAdapter(Any if returned is None else returned)
        except (PydanticUserError, CoreSchemaError, TypeError) as error:
            raise ConfigurationError(
                f"{self.name} has a type hint that has no JSON Schema: {str(error).splitlines()[0]}"
            ) from error

    async def __call__(self, arguments: BaseModel) -> object:
        values = {name: getattr(arguments, field) for field, name in self._names.items()}
        if self.is_async:
            answer = await self._function(**values)
        else:
            answer = await asyncio.to_thread(self._function, **values)
        try:
            return self._result.validate_python(answer, strict=True)
        except ValidationError as error:
            raise ResultInvalid(
                f"{self.name} returned something else than its type hint says: "
                f"{problems(error, 'the value')}"
            ) from error


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_by_name=False, validate_by_alias=True)

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> JsonObject:
        """Return the schema without titles, which repeat the names."""
        schema = super().model_json_schema(*args, **options)
        schema.pop("title", None)
        for each in schema.get("properties", {}).values():
            each.pop("title", None)
        return schema


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return the text before the first section, and the descriptions below `Args:`."""
    before: list[str] = []
    parameters: dict[str, str] = {}
    section, name = "", ""
    for line in text.splitlines():
        if found := _SECTION.match(line):
            section, name = found[1], ""
        elif not section:
            before.append(line)
        elif section in ("Args", "Arguments", "Parameters"):
            deeper = len(line) - len(line.lstrip()) > 4  # noqa: PLR2004 - continues a description
            if (entry := _PARAMETER.match(line)) and not (deeper and name):
                name = entry[1]
                parameters[name] = entry[2]
            elif name:
                parameters[name] = f"{parameters[name]} {line.strip()}".strip()
    return "\n".join(before).strip(), parameters


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # a hint in quotes is code, which may raise anything
        raise ConfigurationError(f"{name} has a type hint that is not defined: {error}") from error


def _check_parameter(name: str, parameter: inspect.Parameter, hints: dict[str, Any]) -> None:
    if problem := _KINDS.get(parameter.kind):
        raise ConfigurationError(f"{name}: the parameter {parameter.name} {problem}")
    if parameter.name not in hints:
        raise ConfigurationError(
            f"{name}: the parameter {parameter.name} has no type hint: write, for example,"
            f" {parameter.name}: str"
        )


def _field(parameter: inspect.Parameter, descriptions: dict[str, str]) -> Any:
    is_required = parameter.default is inspect.Parameter.empty
    return Field(
        PydanticUndefined if is_required else parameter.default,
        alias=parameter.name,
        description=descriptions.get(parameter.name),
    )
