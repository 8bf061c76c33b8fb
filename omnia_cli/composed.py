"""The system prompt of a pack as a model gets it, and its variables: for `omnia pack show`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import Pack, PromptVariable
from omnia_core.files.pack.compiled import CompiledPrompt, compile_prompt
from omnia_core.files.pack.values import from_text, problem
from omnia_core.templates import Template, ValueMissing

_ANY_INPUT = FunctionFile(name="any", input_schema={}, output_schema={})


@dataclass(frozen=True)
class Variable:
    """A variable of a prompt.

    Attributes:
        value: None: it has none.
        origin: where the value comes from: `--var`, `default`, `time`, or "".
        problem: why a turn would fail, "" if it would not.
    """

    name: str
    type: str
    value: Any
    origin: str
    problem: str = ""


@dataclass(frozen=True)
class Composed:
    """A composed prompt. Placeholders without a value stand in the text as they are."""

    text: str
    variables: tuple[Variable, ...]

    @property
    def problems(self) -> list[str]:
        """Why a turn with these values would fail."""
        return [each.problem for each in self.variables if each.problem]


def compose(
    pack: Pack,
    prompt: str,
    given: Mapping[str, str],
    *,
    model: str = "",
) -> Composed:
    """Compose a prompt with values as they come with a message: as text.

    A name that the prompt does not declare may be a field of a function's input.

    Raises:
        ConfigurationError: there is no such prompt, or its template is invalid.
    """
    compiled = compile_prompt(pack, prompt, _ANY_INPUT, model)
    known = compiled.known()
    names = {*compiled.variables, *given} | {path.root for path in compiled.template.paths()}
    variables = tuple(_variable(name, compiled, known, given) for name in sorted(names))
    values = {each.name: each.value for each in variables if each.value is not None}
    return Composed(_render(compiled, values), variables)


def _variable(
    name: str, compiled: CompiledPrompt, known: Mapping[str, Any], given: Mapping[str, str]
) -> Variable:
    declared = compiled.variables.get(name)
    value, origin = known.get(name), "default" if declared else "time"
    wrong = ""
    if name in given:
        value, origin = given[name], "--var"
        if declared:
            value = from_text(declared, given[name])
            wrong = problem(declared, value) or ""
        elif not _is_used(name, compiled.template):
            wrong = _unknown(compiled.variables)
    elif value is None:
        origin = ""
    if not wrong and value in (None, "") and _is_needed(name, declared, compiled):
        wrong = "has no value: set it"
    kind = declared.type if declared else "string"
    return Variable(name, kind, value, origin, f'the variable "{name}" {wrong}' if wrong else "")


def _is_needed(name: str, declared: PromptVariable | None, compiled: CompiledPrompt) -> bool:
    if declared is not None:
        return declared.required
    return name not in compiled.optional and _is_used(name, compiled.template)


def _is_used(name: str, template: Template) -> bool:
    return any(path.root == name for path in template.paths())


def _unknown(variables: Mapping[str, PromptVariable]) -> str:
    return f"is not one of the prompt; it has: {', '.join(variables) or 'none'}"


def _render(compiled: CompiledPrompt, values: Mapping[str, Any]) -> str:
    texts: list[str] = []
    for part in compiled.template.parts:
        try:
            texts.append(Template((part,)).render(values, compiled.optional))
        except ValueMissing as error:
            texts.append(f"{{{{{error.path.source}}}}}")
    return "".join(texts)
