"""Selects the tools that a model is offered, from the pack and the ToolRegistry."""

from collections.abc import Mapping

from msgspec import Struct, structs

from omnia_core.files.pack import Pack, Prompt
from omnia_runtime.ports.model import ToolSpec


class ToolOffer(Struct, frozen=True):
    """The tools of a prompt.

    Attributes:
        tools: sorted by name, so that a provider's prompt cache stays valid.
        missing: tools that the prompt lists, but no handler executes.
    """

    tools: tuple[ToolSpec, ...]
    missing: tuple[str, ...]


def offer_tools(pack: Pack, prompt: Prompt, registry: Mapping[str, ToolSpec]) -> ToolOffer:
    """Select the tools that the prompt lists, or all tools of the registry if it lists none.

    A blocked tool is not offered. An entry of the list may end in `*`.
    """
    policy = prompt.tool_policy
    blocked = set(policy.blocklist) if policy else set()
    listed = prompt.tools or ["*"]
    names = {name for name in registry if any(_matches(name, entry) for entry in listed)}
    missing = [
        entry
        for entry in listed
        if not entry.endswith("*") and entry not in registry and entry not in blocked
    ]
    tools = [_add_description(registry[name], pack) for name in sorted(names - blocked)]
    return ToolOffer(tuple(tools), tuple(missing))


def _matches(name: str, entry: str) -> bool:
    return name.startswith(entry[:-1]) if entry.endswith("*") else name == entry


def _add_description(spec: ToolSpec, pack: Pack) -> ToolSpec:
    """Take a missing description or schema from the pack."""
    known = pack.tools.get(spec.name)
    if known is None:
        return spec
    schema = spec.input_schema if spec.input_schema.get("properties") else known.parameters
    return structs.replace(
        spec, description=spec.description or known.description, input_schema=schema
    )
