"""Checks of a pack that its types cannot express: references between its parts, and values."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from omnia_core.files.pack.check_flow import flow_issues
from omnia_core.files.pack.check_prompt import prompt_issues
from omnia_core.files.pack.document import Pack
from omnia_core.files.pack.governance import Governance
from omnia_core.files.pack.issues import Issue, IssuePath, warning
from omnia_core.files.pack.media import MediaConfig
from omnia_core.files.pack.prompt import PackTool
from omnia_core.files.pack.terms import OpenPackObject
from omnia_core.files.pack.workflow import CompositionStep
from omnia_core.patterns import PatternsTooLarge, check_size
from omnia_core.templates import is_placeholder

_LOGIC = ("conditionals", "loops", "filters")
_KINDS = ("prompt", "agent", "tool", "branch", "parallel")


def may_have(shape: type[Struct], value: Mapping[str, Any], key: str) -> bool:
    """Whether an object of the pack may have a key that its type does not define."""
    if shape is CompositionStep:
        return value.get("kind") not in _KINDS
    if shape is MediaConfig:
        listed = value.get("supported_types")
        return isinstance(listed, list) and key in listed
    return issubclass(shape, OpenPackObject)


def findings(pack: Pack) -> list[Issue]:
    """Return the issues of a pack whose shape is valid."""
    try:
        check_size(_patterns(pack))
    except PatternsTooLarge as error:
        # The other checks compile the patterns.
        return [Issue(("prompts",), str(error))]
    found = [*_engine(pack), *_tools(pack), *_requires(pack), *_governance(pack)]
    for key, prompt in pack.prompts.items():
        found += prompt_issues(pack, key, prompt)
    return [*found, *flow_issues(pack)]


def _patterns(pack: Pack) -> Iterator[str]:
    """Yield the regular expressions of variables and validators."""
    for prompt in pack.prompts.values():
        for variable in prompt.variables:
            if variable.validation and variable.validation.pattern:
                yield variable.validation.pattern
        for validator in prompt.validators:
            params = validator.get("params")
            pattern = params.get("pattern") if isinstance(params, dict) else None
            if isinstance(pattern, str):
                yield pattern


def _engine(pack: Pack) -> Iterator[Issue]:
    engine = pack.template_engine
    if not is_placeholder(engine.syntax):
        place = ("template_engine", "syntax")
        if any(mark in engine.syntax for mark in "${<[%"):
            yield Issue(
                place, f'"{engine.syntax}" is not supported: write {{{{variable}}}} in templates'
            )
        else:
            yield warning(
                place, f'"{engine.syntax}": only {{{{variable}}}} is filled in, logic is refused'
            )
    for index, feature in enumerate(engine.features):
        if feature in _LOGIC:
            yield warning(
                ("template_engine", "features", index),
                f"{feature} are not supported: a template that uses them is refused",
            )


def _tools(pack: Pack) -> Iterator[Issue]:
    for key, tool in pack.tools.items():
        place = ("tools", key)
        if tool.name != key:
            yield warning(
                (*place, "name"), f'"{tool.name}" differs from its key: the key "{key}" is used'
            )
        yield from _signature(tool, (*place, "parameters"))


def _signature(tool: PackTool, place: tuple[str, ...]) -> Iterator[Issue]:
    schema = tool.parameters
    if schema.get("type") != "object":
        yield Issue((*place, "type"), 'expected "object": a model calls a tool with named values')
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        yield Issue((*place, "properties"), "expected an object with a schema for each parameter")
        return
    for name, schema_of_name in properties.items():
        if not isinstance(schema_of_name, dict):
            yield Issue((*place, "properties", name), "expected a JSON Schema as an object")
    required = schema.get("required", [])
    if not isinstance(required, list) or any(not isinstance(name, str) for name in required):
        yield Issue((*place, "required"), "expected a list of names of parameters")


def _requires(pack: Pack) -> Iterator[Issue]:
    keys = pack.requires.keys() if pack.requires else []
    seen: set[str] = set()
    for index, key in enumerate(keys):
        place = ("requires", "providers", index)
        if not key:
            yield Issue(place, "expected the key of a provider, found an empty text")
        if key in seen:
            yield Issue(place, f'the key "{key}" is listed twice')
        seen.add(key)


def _governance(pack: Pack) -> Iterator[Issue]:
    for place, governance in _declared(pack):
        for index, obligation in enumerate(governance.obligations):
            for at, control in enumerate(obligation.controls):
                if sum(value is not None for value in structs.astuple(control)) != 1:
                    where = (*place, "obligations", index, "controls", at)
                    yield Issue(where, "expected one of: field, validator, eval, external")


def _declared(pack: Pack) -> Iterator[tuple[IssuePath, Governance]]:
    if pack.metadata and pack.metadata.governance:
        yield ("metadata", "governance"), pack.metadata.governance
    for name, member in pack.agents.members.items() if pack.agents else ():
        if member.governance:
            yield ("agents", "members", name, "governance"), member.governance
