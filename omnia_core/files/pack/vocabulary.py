"""The names that the templates of a prompt may use."""

from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack.document import Pack
from omnia_core.files.pack.prompt import Prompt
from omnia_core.suggestions import listed, most_similar
from omnia_core.templates import Path, Template, compile_template

INPUT = "input"
"""The whole input of a function, beside the fields of the input."""

TIME = (
    "current_time",
    "current_date",
    "current_year",
    "current_month",
    "current_weekday",
    "current_hour",
)
"""Variables that always have a value."""

ARTIFACTS = "artifacts"
"""The artifacts of a workflow."""


class PlaceholderUndeclared(ConfigurationError):
    """A placeholder in the template of a prompt can never have a value.

    Attributes:
        prompt: the id of the prompt.
    """

    def __init__(self, message: str, prompt: str) -> None:
        super().__init__(message)
        self.prompt = prompt


def compiled_template(pack: Pack, prompt: Prompt, where: str) -> Template:
    """Compile the template of a prompt, including the fragments of the pack.

    Raises:
        TemplateInvalid: the template is invalid; the message begins with `where`.
    """
    variables = {variable.name for variable in prompt.variables}
    return compile_template(prompt.system_template, where, pack.fragments, variables)


def template_of(pack: Pack, prompt: Prompt, function: FunctionFile | None, where: str) -> Template:
    """Compile the template of a prompt for an agent, or for a function and its input.

    Raises:
        TemplateInvalid: the template is invalid.
        PlaceholderUndeclared: a placeholder has no value.
            The message of both begins with `where`.
    """
    template = compiled_template(pack, prompt, where)
    for path in undeclared(template, pack, prompt, function):
        fields = input_fields(function) or {}
        given = [*fields, INPUT] if function else []
        known = sorted({*vocabulary(pack, prompt), *pack.fragments, *given})
        near = most_similar(path.root, known)
        raise PlaceholderUndeclared(
            f"{where}: {{{{{path.source}}}}} is not declared; the prompt knows: {listed(known)}"
            + (f'; did you mean "{near}"?' if near else ""),
            prompt.id,
        )
    return template


def undeclared(
    template: Template, pack: Pack, prompt: Prompt, function: FunctionFile | None = None
) -> list[Path]:
    """Return the placeholders that can never have a value.

    The list is empty for a function whose input may have any field.
    """
    fields = input_fields(function)
    if fields is None:
        return []
    known = vocabulary(pack, prompt) | set(fields) | ({INPUT} if function else set())
    return [path for path in template.paths() if path.root not in known]


def vocabulary(pack: Pack, prompt: Prompt) -> set[str]:
    """Return the names that are defined in every conversation; their value may be empty."""
    declared = {variable.name for variable in prompt.variables}
    return {*declared, *TIME, *([ARTIFACTS] if pack.workflow else [])}


def input_fields(function: FunctionFile | None) -> dict[str, bool] | None:
    """Return the input fields and whether each is required; None: any field is allowed."""
    if function is None:
        return {}
    schema = function.input_schema
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return None
    required = schema.get("required", [])
    return {name: name in required for name in properties}
