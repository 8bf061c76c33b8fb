"""Compiles a prompt of a pack for a model, and renders it."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from omnia_core.errors import Code, OmniaError
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import Pack, Parameters, Prompt, PromptVariable, ToolPolicy
from omnia_core.files.pack.prompt import for_model
from omnia_core.files.pack.values import from_text, problem
from omnia_core.files.pack.vocabulary import ARTIFACTS, INPUT, input_fields, template_of
from omnia_core.jsonvalue import parse_json
from omnia_core.templates import Template, ValueMissing

# English names, independent of the locale of the process.
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


FIXED_TIME: ContextVar[datetime | None] = ContextVar("fixed_time", default=None)
"""The time that prompts get while a recording is made or replayed, in place of the current one."""


def now_utc() -> datetime:
    """Return the current time in UTC, or `FIXED_TIME`."""
    return FIXED_TIME.get() or datetime.now(UTC)


def time_variables(now: datetime) -> dict[str, str]:
    """Return the variables that every template may use.

    Their values look like 2026-01-31T09:05:00Z, 2026-01-31, 2026, January, Saturday and 09.
    """
    return {
        "current_time": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "current_date": now.date().isoformat(),
        "current_year": str(now.year),
        "current_month": _MONTHS[now.month - 1],
        "current_weekday": _DAYS[now.weekday()],
        "current_hour": f"{now.hour:02}",
    }


TIME_VARIABLES = frozenset(time_variables(datetime(2000, 1, 1, tzinfo=UTC)))


class VariableInvalid(OmniaError):
    """A turn has no valid value for a variable of its prompt."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, f'the prompt\'s variable "{name}" {problem}')


class CompiledPrompt(Struct, frozen=True):
    """A compiled prompt.

    Attributes:
        prompt: with the overrides for the model applied.
        optional: variables that are empty if they have no value.
        timed: whether the prompt uses the time.
    """

    prompt: Prompt
    template: Template
    variables: dict[str, PromptVariable]
    optional: frozenset[str]
    timed: bool

    @property
    def parameters(self) -> Parameters:
        """The parameters of the model; None means "not set"."""
        return self.prompt.parameters or Parameters()

    @property
    def policy(self) -> ToolPolicy:
        """The tool policy of the prompt."""
        return self.prompt.tool_policy or ToolPolicy()

    def render(self, given: Mapping[str, Any], now: Callable[[], datetime] = now_utc) -> str:
        """Return the system prompt.

        A given value takes precedence over the time, and the time over a variable's default.
        Values that the template does not use are ignored.

        Raises:
            VariableInvalid: a required variable has no value, or a value is invalid.
        """
        values = {**self.known(now), **self._convert(given)}
        for name, variable in self.variables.items():
            if variable.required and values.get(name) in (None, ""):
                raise VariableInvalid(name, "is required and has no value")
        try:
            return self.template.render(values, self.optional)
        except ValueMissing as error:
            raise VariableInvalid(error.path.source, "has no value") from error

    def known(self, now: Callable[[], datetime] = now_utc) -> dict[str, Any]:
        """Return the values that need not be given: defaults, and the time where it is used."""
        return {**self._defaults(), **(self._time(now()) if self.timed else {})}

    def declared(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """Return the part of a client's metadata that the prompt declares as variables."""
        return {name: metadata[name] for name in self.variables if name in metadata}

    def _defaults(self) -> dict[str, Any]:
        return {
            name: variable.default
            for name, variable in self.variables.items()
            if variable.default is not None
        }

    def _time(self, now: datetime) -> dict[str, Any]:
        """Return the time variables, without those that the prompt declares with another type."""
        values: dict[str, Any] = {}
        for name, text in time_variables(now).items():
            variable = self.variables.get(name)
            value = from_text(variable, text) if variable else text
            if variable is None or problem(variable, value) is None:
                values[name] = value
        return values

    def _convert(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in given.items():
            variable = self.variables.get(name)
            if variable is None:
                values[name] = value
            elif value is not None:
                values[name] = _convert_value(variable, value)
        return values


def compile_prompt(
    pack: Pack, name: str, function: FunctionFile | None, model: str = ""
) -> CompiledPrompt:
    """Compile a prompt of a pack for a model.

    Args:
        pack: the pack.
        name: the name of the prompt.
        function: in function mode, the function; its input fields are variables of the prompt.
        model: selects the `model_overrides`.

    Raises:
        ConfigurationError: the pack is invalid; the message names the place and the problem.
    """
    prompt = for_model(pack.prompt(name), model)
    where = f'pack "{pack.id}": prompts.{prompt.id}.system_template'
    template = template_of(pack, prompt, function, where)
    fields = input_fields(function) or {}
    variables = {variable.name: variable for variable in prompt.variables}
    optional = {name for name, variable in variables.items() if not variable.required}
    optional |= {name for name, required in fields.items() if not required} - set(variables)
    named = {path.root for path in template.paths()}
    timed = not TIME_VARIABLES.isdisjoint({*named, *variables})
    return CompiledPrompt(prompt, template, variables, frozenset({*optional, ARTIFACTS}), timed)


def input_values(text: str) -> dict[str, Any]:
    """Return the variables of a function's template: the whole input, and each of its fields.

    Raises:
        OmniaError: `text` is not JSON; the code is INVALID_ARGUMENT.
    """
    try:
        value = parse_json(text)
    except ValueError as error:
        raise OmniaError(Code.INVALID_ARGUMENT, f"input_json is {error}") from error
    return {**(value if isinstance(value, dict) else {}), INPUT: value}


def _convert_value(variable: PromptVariable, value: Any) -> Any:
    """Return the value in the declared type; the metadata of a client is always text."""
    if isinstance(value, str):
        value = from_text(variable, value)
    if wrong := problem(variable, value):
        raise VariableInvalid(variable.name, wrong)
    return value
