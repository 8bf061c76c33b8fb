"""The system prompt of a pack as a model gets it, for `omnia pack show`."""

from collections.abc import Mapping

from omnia_core.files.function import FunctionFile
from omnia_core.files.pack import DEFAULT_PROMPT, Pack
from omnia_core.files.pack.compiled import compile_prompt
from omnia_core.files.pack.composed import Composed, composed

_ANY_INPUT = FunctionFile(name="any", input_schema={}, output_schema={})


def compose(pack: Pack, prompt: str, given: Mapping[str, str], *, model: str = "") -> Composed:
    """Compose a prompt of a pack, as `composed`; it may be that of a function.

    Raises:
        ConfigurationError: there is no such prompt, or its template is invalid.
    """
    return composed(compile_prompt(pack, prompt, _ANY_INPUT, model), given)


def template_text(pack: Pack) -> str:
    """Return the template of the prompt with which a pack begins, with its fragments in place.

    Raises:
        ConfigurationError: there is no such prompt, or its template is invalid.
    """
    return compile_prompt(pack, DEFAULT_PROMPT, _ANY_INPUT).template.source
