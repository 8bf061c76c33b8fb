"""A prompt of a pack, checked and compiled."""

from collections.abc import Collection, Mapping
from typing import Any

import orjson
from msgspec import Struct

from omnia_core.errors import Code, ConfigurationError, OmniaError
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import Pack, Prompt, Variable
from omnia_runtime.prompts.template import Template, ValueMissing, compile_template

# What a function's template may use beside the fields of its input.
INPUT = "input"

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


class VariableInvalid(OmniaError):
    """A turn did not bring what its prompt needs."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, f'the prompt\'s variable "{name}" {problem}')


class CompiledPrompt(Struct, frozen=True):
    """A prompt that renders.

    Attributes:
        optional: variables that are empty when they have no value.
    """

    prompt: Prompt
    template: Template
    variables: dict[str, Variable]
    optional: frozenset[str]

    def render(self, given: Mapping[str, Any]) -> str:
        """Return the system prompt; of `given`, what the template does not use is left alone.

        Raises:
            VariableInvalid: names a required variable without a value, or one of a wrong type.
        """
        values = {
            name: variable.default
            for name, variable in self.variables.items()
            if variable.default is not None
        }
        for name, value in given.items():
            variable = self.variables.get(name)
            values[name] = _typed(variable, value) if variable else value
        for name, variable in self.variables.items():
            if variable.required and values.get(name) in (None, ""):
                raise VariableInvalid(name, "is required and has no value")
        try:
            return self.template.render(values, self.optional)
        except ValueMissing as error:
            raise VariableInvalid(error.path.source, "has no value") from error

    def declared(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """Return the part of a client's metadata that the prompt declares as variables."""
        return {name: metadata[name] for name in self.variables if name in metadata}


def compile_prompt(pack: Pack, name: str, function: FunctionFile | None) -> CompiledPrompt:
    """Choose and compile a prompt of a pack.

    Raises:
        ConfigurationError: names the pack's fault and its place.
    """
    prompt = pack.prompt(name)
    variables = {variable.name: variable for variable in prompt.variables}
    where = f'pack "{pack.id}": prompts.{prompt.id}.system_template'
    template = compile_template(prompt.system_template, where, pack.fragments, variables)
    fields = _input_fields(function)
    known = {*variables, *(fields or {}), *([INPUT] if function else [])}
    for path in template.paths():
        if path.root not in known and not (function and fields is None):
            raise ConfigurationError(
                f"{where}: {{{{{path.source}}}}} is declared nowhere; "
                f"the prompt knows: {', '.join(sorted({*known, *pack.fragments})) or 'nothing'}"
            )
    optional = {name for name, variable in variables.items() if not variable.required}
    optional |= {name for name, required in (fields or {}).items() if not required} - set(variables)
    return CompiledPrompt(prompt, template, variables, frozenset(optional))


def input_values(text: str) -> dict[str, Any]:
    """Return what a function's template may use: the whole input, and each of its fields.

    Raises:
        OmniaError: INVALID_ARGUMENT, `text` is not JSON.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise OmniaError(Code.INVALID_ARGUMENT, f"input_json is not JSON: {error}") from error
    return {**(value if isinstance(value, dict) else {}), INPUT: value}


def _input_fields(function: FunctionFile | None) -> dict[str, bool] | None:
    """Return the fields of the input and whether each is required; None when any may come."""
    if function is None:
        return {}
    schema = function.input_schema
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return None
    required: Collection[str] = schema.get("required", [])
    return {name: name in required for name in properties}


def _typed(variable: Variable, value: Any) -> Any:
    """Read a text into the declared type: metadata of a client is text only."""
    expected = _JSON_TYPES.get(variable.type)
    if expected is None:
        return value
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise VariableInvalid(variable.name, f"must be a JSON {variable.type}") from None
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        raise VariableInvalid(variable.name, f"must be a JSON {variable.type}")
    return value
