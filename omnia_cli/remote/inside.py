"""What is inside an agent of a cluster, from the objects that the person may read; pure.

It has the fields that a facade tells of itself where it does (docs/reference/websocket.md, "What is
inside"), as far as objects say them, and no address, header or name of a Secret.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from omnia_cli.cluster import UNREADABLE
from omnia_core.files.pack import DEFAULT_PROMPT, Pack
from omnia_core.jsonvalue import JsonObject

_TOKENS = 1_000_000
_PRICED_TOKENS = 1000

T = TypeVar("T")


class UnreadableObject(ValueError):
    """The output of kubectl is not an object of the expected kind."""


class Referred(Struct, frozen=True):
    """Names an object; without a namespace it is in that of the agent."""

    name: str
    namespace: str = ""


class _Named(Struct, frozen=True):
    name: str


class _Source(Struct, frozen=True, rename="camel"):
    config_map_ref: "PackPlace | None" = None


class PackPlace(Struct, frozen=True):
    """The ConfigMap with the content of a PromptPack."""

    name: str
    key: str = "pack.json"


class _PackSpec(Struct, frozen=True, rename="camel"):
    version: str
    source: _Source
    pack_name: str = ""


class _PackStatus(Struct, frozen=True, rename="camel"):
    canary_version: str = ""
    canary_weight: int = 0


class ListedPack(Struct, frozen=True):
    """A PromptPack."""

    metadata: _Named
    spec: _PackSpec
    status: _PackStatus = _PackStatus()

    @property
    def place(self) -> PackPlace | None:
        """Where its content is."""
        return self.spec.source.config_map_ref


class _Packs(Struct, frozen=True):
    items: list[ListedPack]


class _InlinePrompt(Struct, frozen=True):
    system: str


class _Defaults(Struct, frozen=True, rename="camel"):
    context_window: int = 0
    truncation_strategy: str = "sliding"


class _Pricing(Struct, frozen=True):
    input_cost: float | None = field(default=None, name="inputCostPer1K")
    output_cost: float | None = field(default=None, name="outputCostPer1K")


class ProviderFields(Struct, frozen=True):
    """A model and its settings, of a Provider or inside an AgentRuntime."""

    type: str = ""
    model: str = ""
    defaults: _Defaults = _Defaults()
    pricing: _Pricing = _Pricing()


class _NamedProvider(Struct, frozen=True, rename="camel"):
    """The logical name of a provider in its agent."""

    name: str
    provider_ref: Referred | None = None


class _AgentSpec(Struct, frozen=True, rename="camel"):
    prompt_pack_ref: Referred | None = None
    prompt: _InlinePrompt | None = None
    provider: ProviderFields | None = None
    providers: list[_NamedProvider] = []
    tool_registry_ref: Referred | None = None


class _AgentStatus(Struct, frozen=True, rename="camel"):
    active_version: str = ""


class AgentObject(Struct, frozen=True):
    """An AgentRuntime, as far as it says what the agent is made of."""

    spec: _AgentSpec
    status: _AgentStatus = _AgentStatus()


class _HandlerTool(Struct, frozen=True, rename="camel"):
    name: str
    description: str = ""
    input_schema: JsonObject = {}


class _Handler(Struct, frozen=True):
    name: str
    type: str
    tool: _HandlerTool | None = None


class _Discovered(Struct, frozen=True, rename="camel"):
    name: str
    handler_name: str
    description: str = ""
    status: str = ""
    input_schema: JsonObject | None = None


class _RegistrySpec(Struct, frozen=True):
    handlers: list[_Handler] = []


class _RegistryStatus(Struct, frozen=True, rename="camel"):
    discovered_tools: list[_Discovered] = []


class RegistryObject(Struct, frozen=True):
    """A ToolRegistry."""

    spec: _RegistrySpec
    status: _RegistryStatus = _RegistryStatus()


class _ConfigMap(Struct, frozen=True):
    data: dict[str, str] = {}


class ReadVersion(Struct, frozen=True):
    """A version of the prompt; `template` is "" where it cannot be read."""

    version: str
    weight: int
    template: str = ""


class ReadTool(Struct, frozen=True, omit_defaults=True):
    """A tool of a ToolRegistry; `unreachable`: as the operator found it last."""

    name: str
    description: str
    input_schema: JsonObject
    handler: str
    type: str
    unreachable: bool = False


class ReadProvider(Struct, frozen=True):
    """A provider; its prices are US dollars per million tokens, where the object says them."""

    name: str
    type: str
    model: str
    input_usd: float | UnsetType = UNSET
    output_usd: float | UnsetType = UNSET


class ReadWindow(Struct, frozen=True):
    """The limit of a request in tokens, and what happens to more."""

    tokens: int
    then: str


class InsideRead(Struct, frozen=True, kw_only=True):
    """What could be read.

    Attributes:
        notes: what is left out, and why.
    """

    template: str = ""
    versions: Sequence[ReadVersion] = ()
    tools: Sequence[ReadTool] = ()
    providers: Sequence[ReadProvider] = ()
    window: ReadWindow | None = None
    validators: Sequence[str] = ()
    evals: Sequence[str] = ()
    notes: Sequence[str] = ()


def decoded(document: Mapping[str, Any], kind: type[T]) -> T:
    """Return an object of the cluster, as far as it is read here.

    Raises:
        UnreadableObject: it is no object of this kind.
    """
    try:
        return msgspec.convert(document, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UnreadableObject(f"{UNREADABLE}: {error}") from error


def packs_of(listed: str, name: str) -> list[ListedPack]:
    """Return the versions of a pack, from the list of PromptPacks of a namespace.

    Raises:
        UnreadableObject: it is no list of PromptPacks.
    """
    try:
        found = msgspec.json.decode(listed, type=_Packs)
    except msgspec.DecodeError as error:
        raise UnreadableObject(f"{UNREADABLE}: {error}") from error
    return [each for each in found.items if name in (each.spec.pack_name, each.metadata.name)]


def weighted(packs: Sequence[ListedPack], active: str) -> list[tuple[ListedPack, int]]:
    """Return the versions that new sessions get, with their percentages, the active one first."""
    stable = next((each for each in packs if each.spec.version == active), None)
    if stable is None:
        return []
    status = stable.status
    canary = next((each for each in packs if each.spec.version == status.canary_version), None)
    if canary is None:
        return [(stable, 100)]
    return [(stable, 100 - status.canary_weight), (canary, status.canary_weight)]


def content_of(config_map: Mapping[str, Any], key: str) -> str:
    """Return the text of a key of a ConfigMap; "" if it has none.

    Raises:
        UnreadableObject: it is no ConfigMap.
    """
    return decoded(config_map, _ConfigMap).data.get(key, "")


def checks_of(pack: Pack) -> tuple[list[str], list[str]]:
    """Return the types of the validators of a pack's prompt, and the ids of its evaluations."""
    prompt = pack.prompt(DEFAULT_PROMPT)
    ids = dict.fromkeys(each.id for each in (*prompt.evals, *pack.evals))
    types = [str(each.get("type", "")) for each in prompt.validators if each.get("enabled", True)]
    return types, list(ids)


def tools_of(registry: RegistryObject) -> Iterator[ReadTool]:
    """Yield the tools that the operator has discovered, and those that the handlers declare."""
    types = {handler.name: handler.type for handler in registry.spec.handlers}
    declared = {each.tool.name: each.tool for each in registry.spec.handlers if each.tool}
    for found in registry.status.discovered_tools:
        tool = declared.get(found.name)
        declared.pop(found.name, None)
        schema = found.input_schema or (tool.input_schema if tool else {})
        yield ReadTool(
            name=found.name,
            description=found.description,
            input_schema=schema,
            handler=found.handler_name,
            type=types.get(found.handler_name, ""),
            unreachable=found.status == "Unavailable",
        )
    for handler in registry.spec.handlers:
        if (tool := handler.tool) and tool.name in declared:
            yield ReadTool(
                tool.name, tool.description, tool.input_schema, handler.name, handler.type
            )


def provider_of(name: str, spec: ProviderFields) -> ReadProvider:
    """Return a provider as the page shows it."""
    costs = (spec.pricing.input_cost, spec.pricing.output_cost)
    usd = [UNSET if cost is None else cost * _TOKENS / _PRICED_TOKENS for cost in costs]
    return ReadProvider(name, spec.type, spec.model, *usd)


def window_of(spec: ProviderFields) -> ReadWindow | None:
    """Return the limit of a provider's requests; None without one."""
    defaults = spec.defaults
    if not defaults.context_window:
        return None
    return ReadWindow(defaults.context_window, defaults.truncation_strategy)
