"""What the templates of a prompt may name."""

from omnia_core.errors import ConfigurationError
from omnia_core.files.function import FunctionFile
from omnia_core.files.pack.document import Pack
from omnia_core.files.pack.prompt import Prompt
from omnia_core.placeholders import Path
from omnia_core.templates import Template, compile_template

INPUT = "input"
"""What a function's template may use beside the fields of its input."""

TIME = (
    "current_time",
    "current_date",
    "current_year",
    "current_month",
    "current_weekday",
    "current_hour",
)
"""Variables that have a value without being declared."""

ARTIFACTS = "artifacts"
"""What the states of a workflow hand on."""


def compiled_template(pack: Pack, prompt: Prompt, where: str) -> Template:
    """Compile the template of a prompt, with the pack's fragments in place.

    Raises:
        TemplateInvalid: `where` says where.
    """
    variables = {variable.name for variable in prompt.variables}
    return compile_template(prompt.system_template, where, pack.fragments, variables)


def template_of(pack: Pack, prompt: Prompt, function: FunctionFile | None, where: str) -> Template:
    """Compile the template of a prompt for an agent, or for a function and its input.

    Raises:
        ConfigurationError: `where` says where; a placeholder that nothing gives a value is named.
    """
    template = compiled_template(pack, prompt, where)
    for path in undeclared(template, pack, prompt, function):
        fields = input_fields(function) or {}
        given = [*fields, INPUT] if function else []
        known = sorted({*vocabulary(pack, prompt), *pack.fragments, *given})
        raise ConfigurationError(
            f"{where}: {{{{{path.source}}}}} is declared nowhere; "
            f"the prompt knows: {', '.join(known)}"
        )
    return template


def undeclared(
    template: Template, pack: Pack, prompt: Prompt, function: FunctionFile | None = None
) -> list[Path]:
    """List the placeholders that nothing can give a value; a function's input has its fields.

    None are listed for a function whose input may have any field.
    """
    fields = input_fields(function)
    if fields is None:
        return []
    known = vocabulary(pack, prompt) | set(fields) | ({INPUT} if function else set())
    return [path for path in template.paths() if path.root not in known]


def vocabulary(pack: Pack, prompt: Prompt) -> set[str]:
    """Return the names that have a value in every conversation, or an empty one."""
    declared = {variable.name for variable in prompt.variables}
    return {*declared, *TIME, *([ARTIFACTS] if pack.workflow else [])}


def input_fields(function: FunctionFile | None) -> dict[str, bool] | None:
    """Return the fields of the input and whether each is required; None when any may come."""
    if function is None:
        return {}
    schema = function.input_schema
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return None
    required = schema.get("required", [])
    return {name: name in required for name in properties}
