"""What the types of a pack cannot say: names that must fit together, values that must be right."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from omnia_core.files.pack.check_flow import flow_issues
from omnia_core.files.pack.check_governance import governance_issues
from omnia_core.files.pack.check_prompt import prompt_issues
from omnia_core.files.pack.composition import Step
from omnia_core.files.pack.document import Pack
from omnia_core.files.pack.issue import Issue, warning
from omnia_core.files.pack.media import MediaConfig
from omnia_core.files.pack.terms import OpenPart
from omnia_core.files.pack.tools import PackTool
from omnia_core.placeholders import is_placeholder

_LOGIC = ("conditionals", "loops", "filters")
_KINDS = ("prompt", "agent", "tool", "branch", "parallel")


def may_have(shape: type[Struct], value: Mapping[str, Any], key: str) -> bool:
    """Whether an object of the pack may have a key that its type lacks."""
    if shape is Step:
        return value.get("kind") not in _KINDS
    if shape is MediaConfig:
        listed = value.get("supported_types")
        return isinstance(listed, list) and key in listed
    return issubclass(shape, OpenPart)


def findings(pack: Pack) -> list[Issue]:
    """List what is wrong with a pack whose shape is right."""
    found = [*_engine(pack), *_tools(pack), *_requires(pack), *governance_issues(pack)]
    for key, prompt in pack.prompts.items():
        found += prompt_issues(pack, key, prompt)
    return [*found, *flow_issues(pack)]


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
                (*place, "name"), f'"{tool.name}" differs from its key: the key "{key}" counts'
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
    for name, each in properties.items():
        if not isinstance(each, dict):
            yield Issue((*place, "properties", name), "expected a JSON Schema as an object")
    required = schema.get("required", [])
    if not isinstance(required, list) or any(not isinstance(each, str) for each in required):
        yield Issue((*place, "required"), "expected a list of names of parameters")


def _requires(pack: Pack) -> Iterator[Issue]:
    keys = pack.requires.keys() if pack.requires else []
    for index, key in enumerate(keys):
        place = ("requires", "providers", index)
        if not key:
            yield Issue(place, "expected the key of a provider, found an empty text")
        if key in keys[:index]:
            yield Issue(place, f'the key "{key}" stands here twice')
