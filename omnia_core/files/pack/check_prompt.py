"""Checks a prompt: templates, variables, tools, provider, validators, media."""

import re
from collections.abc import Iterator

from omnia_core.files.pack.document import Pack
from omnia_core.files.pack.issues import Issue, IssuePath, unknown, warning
from omnia_core.files.pack.media import MediaConfig
from omnia_core.files.pack.prompt import Prompt, PromptVariable, for_model
from omnia_core.files.pack.values import TYPES, contradictions, problem
from omnia_core.files.pack.vocabulary import compiled_template
from omnia_core.files.validators import check_validators
from omnia_core.suggestions import listed
from omnia_core.templates import TemplateInvalid

DEFAULT_PROVIDER = "default"
"""The key of the provider that answers turns; a pack need not require it."""

# The path at the beginning of a message about validators: [0].params.max
_PLACE = re.compile(r"((?:\[[0-9]+\]|\.?[A-Za-z_][A-Za-z0-9_]*)+):? (.*)", re.DOTALL)
_STEP = re.compile(r"\[([0-9]+)\]|([^.\[\]]+)")


def prompt_issues(pack: Pack, key: str, prompt: Prompt) -> list[Issue]:
    """Return the issues of a prompt."""
    place = ("prompts", key)
    return [
        *_templates(pack, prompt, place),
        *_variables(prompt, place),
        *_tools(pack, prompt, place),
        *provider_issues(pack, prompt.provider, place),
        *_validators(prompt, place),
        *(_media(prompt.media, (*place, "media")) if prompt.media else ()),
    ]


def provider_issues(pack: Pack, key: str, place: IssuePath) -> Iterator[Issue]:
    """Yield the issues of a provider key; "" is not a key."""
    if not key or key == DEFAULT_PROVIDER:
        return
    there = pack.requires.known if pack.requires else {}
    if key not in there:
        others = f", {listed(there)}" if there else ""
        yield Issue(
            (*place, "provider"),
            f'"{key}" is not a key of requires.providers;'
            f" expected one of {DEFAULT_PROVIDER}{others}",
        )


def _templates(pack: Pack, prompt: Prompt, place: IssuePath) -> Iterator[Issue]:
    for model in ("", *prompt.model_overrides):
        where = (*place, "model_overrides", model) if model else (*place, "system_template")
        shown = for_model(prompt, model)
        if model and shown.system_template == prompt.system_template:
            continue
        try:
            compiled_template(pack, shown, "")
        except TemplateInvalid as error:
            yield Issue(where, error.problem)


def _variables(prompt: Prompt, place: IssuePath) -> Iterator[Issue]:
    seen: set[str] = set()
    for index, variable in enumerate(prompt.variables):
        where = (*place, "variables", index)
        if variable.name in seen:
            yield Issue((*where, "name"), f'the variable "{variable.name}" is declared twice')
        seen.add(variable.name)
        yield from _variable(variable, where)


def _variable(variable: PromptVariable, where: IssuePath) -> Iterator[Issue]:
    if variable.type not in TYPES:
        yield warning(
            (*where, "type"),
            f'expected {", ".join(TYPES)}, found "{variable.type}": its values are not checked',
        )
    if variable.validation is not None:
        for contradiction in contradictions(variable.validation):
            yield Issue((*where, "validation"), contradiction)
    wrong = problem(variable, variable.default) if variable.default is not None else None
    if wrong:
        yield Issue((*where, "default"), f'the default of "{variable.name}" {wrong}')


def _tools(pack: Pack, prompt: Prompt, place: IssuePath) -> Iterator[Issue]:
    for index, name in enumerate(prompt.tools):
        if pack.tools and not name.endswith("*") and name not in pack.tools:
            also = "; it is offered if the ToolRegistry has it"
            where = (*place, "tools", index)
            yield unknown(where, "tool", name, pack.tools, also, severity="warning")


def _validators(prompt: Prompt, place: IssuePath) -> Iterator[Issue]:
    for wrong in check_validators(prompt.validators, "")[1]:
        found = _PLACE.fullmatch(wrong)
        where, message = found.groups() if found else ("", wrong)
        steps = [int(index) if index else name for index, name in _STEP.findall(where)]
        yield Issue((*place, "validators", *steps), message)


def _media(media: MediaConfig, place: IssuePath) -> Iterator[Issue]:
    for kind in ("image", "audio", "video", "document"):
        limits = getattr(media, kind)
        if limits is not None and media.supported_types and kind not in media.supported_types:
            yield warning(
                (*place, kind), f"supported_types does not list {kind}: these limits have no effect"
            )
