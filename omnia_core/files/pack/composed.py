"""The system prompt as a model gets it, and its variables: for people who write prompts."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from omnia_core.files.pack import PromptVariable
from omnia_core.files.pack.compiled import CompiledPrompt
from omnia_core.files.pack.values import from_text, problem
from omnia_core.templates import Path, Template, ValueMissing

GIVEN = "given"


class ComposedVariable(Struct, frozen=True):
    """A variable of a composed prompt.

    Attributes:
        value: None: it has none.
        origin: where the value comes from: `GIVEN`, `default`, `time`, or "".
        problem: why a turn would fail, "" if it would not.
    """

    name: str
    type: str
    value: Any
    origin: str
    problem: str = ""


class PromptPiece(Struct, frozen=True):
    """A part of the text; `variable` is the path whose value it is, "" of text of the template."""

    text: str
    variable: str = ""


class Composed(Struct, frozen=True):
    """A composed prompt. Placeholders without a value stand in the text as they are."""

    pieces: tuple[PromptPiece, ...]
    variables: tuple[ComposedVariable, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def problems(self) -> list[str]:
        """Why a turn with these values would fail."""
        return [variable.problem for variable in self.variables if variable.problem]


def composed(compiled: CompiledPrompt, given: Mapping[str, str]) -> Composed:
    """Compose a prompt with values as they come with a message: as text.

    A name that the prompt does not declare may be a field of a function's input.
    """
    known = compiled.known()
    names = {*compiled.variables, *given} | {path.root for path in compiled.template.paths()}
    variables = tuple(_variable(name, compiled, known, given) for name in sorted(names))
    values = {variable.name: variable.value for variable in variables if variable.value is not None}
    return Composed(tuple(_pieces(compiled, values)), variables)


def _variable(
    name: str, compiled: CompiledPrompt, known: Mapping[str, Any], given: Mapping[str, str]
) -> ComposedVariable:
    declared = compiled.variables.get(name)
    value, origin = known.get(name), "default" if declared else "time"
    wrong = ""
    if name in given:
        value, origin = given[name], GIVEN
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
    shown = f'the variable "{name}" {wrong}' if wrong else ""
    return ComposedVariable(name, kind, value, origin, shown)


def _is_needed(name: str, declared: PromptVariable | None, compiled: CompiledPrompt) -> bool:
    if declared is not None:
        return declared.required
    return name not in compiled.optional and _is_used(name, compiled.template)


def _is_used(name: str, template: Template) -> bool:
    return any(path.root == name for path in template.paths())


def _unknown(variables: Mapping[str, PromptVariable]) -> str:
    return f"is not one of the prompt; it has: {', '.join(variables) or 'none'}"


def _pieces(compiled: CompiledPrompt, values: Mapping[str, Any]) -> Iterator[PromptPiece]:
    for part in compiled.template.parts:
        variable = part.source if isinstance(part, Path) else ""
        try:
            yield PromptPiece(Template((part,)).render(values, compiled.optional), variable)
        except ValueMissing as error:
            yield PromptPiece(f"{{{{{error.path.source}}}}}", variable)
