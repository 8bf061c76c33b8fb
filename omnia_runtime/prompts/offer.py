"""Which tools a model is offered, decided from the pack and the ToolRegistry."""

from collections.abc import Mapping

from msgspec import Struct, structs

from omnia_core.files.pack import Pack, Prompt
from omnia_runtime.ports.model import ToolSpec


class Offer(Struct, frozen=True):
    """The tools, sorted by name so that a provider's prompt cache stays warm.

    Attributes:
        missing: tools that the prompt lists and no handler executes.
    """

    tools: tuple[ToolSpec, ...]
    missing: tuple[str, ...]


def offer(pack: Pack, prompt: Prompt, registry: Mapping[str, ToolSpec]) -> Offer:
    """Choose the tools: those that the prompt lists, or all of the registry's if it lists none.

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
    tools = [_described(registry[name], pack) for name in sorted(names - blocked)]
    return Offer(tuple(tools), tuple(missing))


def _matches(name: str, entry: str) -> bool:
    return name.startswith(entry[:-1]) if entry.endswith("*") else name == entry


def _described(spec: ToolSpec, pack: Pack) -> ToolSpec:
    """Fill in from the pack what the registry leaves out."""
    known = pack.tools.get(spec.name)
    if known is None:
        return spec
    schema = spec.input_schema if spec.input_schema.get("properties") else known.parameters
    return structs.replace(
        spec, description=spec.description or known.description, input_schema=schema
    )
