"""Plans the mounted files of an agent: one ConfigMap per folder."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgspec

from omnia_core import names
from omnia_core.files import providers as files
from omnia_core.files.function import FunctionFile
from omnia_core.files.placement import Placement, folder_content
from omnia_core.files.providers import Pricing, ProviderConfig, ProviderDefaults, ProvidersFile
from omnia_core.files.reading import encode_yaml
from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.provider import OpenAISettings, ProviderType
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.shapes import ConfigMapPlan, MountPlan
from omnia_operator.plan.tools import tools_file
from omnia_operator.resolve import Lineup, Resolved, ResolvedProvider

_FOLDER = PurePosixPath(names.PROVIDERS_PATH).parent
BASE_URLS = {
    ProviderType.OLLAMA: "http://localhost:11434/v1",
    ProviderType.VLLM: "http://localhost:8000/v1",
}
"""Where the model servers of one's own listen unless baseURL says otherwise."""


@dataclass(frozen=True)
class Folder:
    """A ConfigMap and the folder where it is mounted."""

    kind: str
    path: str
    config_map: ConfigMapPlan

    @property
    def volume(self) -> JsonObject:
        """The volume of the pod."""
        return {"name": f"omnia-{self.kind}", "configMap": {"name": self.config_map.name}}

    @property
    def mount(self) -> MountPlan:
        """The mount in a container."""
        return MountPlan(f"omnia-{self.kind}", self.path)


def function_folder(resolved: Resolved) -> Folder | None:
    """Return the folder with the schemas of a function; None for an agent."""
    name, spec = resolved.agent.metadata.name, resolved.agent.spec
    if spec.input_schema is None or spec.output_schema is None:
        return None
    file = FunctionFile(name, spec.input_schema, spec.output_schema)
    text = msgspec.json.format(msgspec.json.encode(file)).decode()
    return folder(name, "function", names.FUNCTION_PATH, {}, text)


def runtime_folders(resolved: Resolved) -> Iterator[Folder]:
    """Yield the folders that only the runtime reads."""
    name = resolved.agent.metadata.name
    if resolved.pack is not None:
        yield pack_folder(name, resolved.pack)
    registry = resolved.agent.spec.tool_registry_ref
    # It exists without tools, so that the first tool needs no new pod.
    tools = encode_yaml(tools_file(resolved, registry.name if registry else ""))
    yield folder(name, "tools", names.TOOLS_PATH, {}, tools)
    more = dict(file for provider in resolved.providers for file in _provider_files(provider))
    providers = encode_yaml(providers_file(resolved.providers))
    yield folder(name, "providers", names.PROVIDERS_PATH, more, providers)


def pack_folder(agent: str, pack: Lineup) -> Folder:
    """Return the folder with the versions of the pack and their placement."""
    candidate = pack.candidate.version if pack.candidate else ""
    placement = Placement(pack.stable.version, candidate, pack.weight)
    content = folder_content(placement, {version.version: version.text for version in pack.packs})
    return Folder(
        "pack", names.PACK_PATH, ConfigMapPlan(OwnedNames(agent).config_map("pack"), content)
    )


def providers_file(providers: Iterable[ResolvedProvider]) -> ProvidersFile:
    """Return the configuration of the providers without their keys."""
    return ProvidersFile([_provider(provider) for provider in providers])


def folder(agent: str, kind: str, path: str, more: dict[str, str], text: str) -> Folder:
    """Return a folder with the file at `path` in the container, and `more` files by name."""
    file = PurePosixPath(path)
    content = {file.name: text, **more}
    return Folder(
        kind, str(file.parent), ConfigMapPlan(OwnedNames(agent).config_map(kind), content)
    )


def _provider(provider: ResolvedProvider) -> ProviderConfig:
    settings = provider.settings
    prices = settings.pricing
    path = provider.responses_path
    if provider.responses is not None:
        path = str(_FOLDER / _responses_file(provider))
    return ProviderConfig(
        name=provider.name,
        type=settings.type.value,
        model=settings.model or "",
        base_url=settings.base_url or BASE_URLS.get(settings.type),
        headers=dict(settings.headers),
        defaults=ProviderDefaults(
            temperature=settings.defaults.temperature,
            top_p=settings.defaults.top_p,
            max_tokens=settings.defaults.max_tokens,
            request_timeout=_text(settings.defaults.request_timeout),
            stream_idle_timeout=_text(settings.defaults.stream_idle_timeout),
            stream_timeout=_text(settings.defaults.stream_timeout),
            context_window=settings.defaults.context_window,
            truncation_strategy=settings.defaults.truncation_strategy.value,
        ),
        pricing=Pricing()
        if prices is None
        else Pricing(
            input_cost_per_1k=prices.input_cost_per_1k,
            output_cost_per_1k=prices.output_cost_per_1k,
            cached_cost_per_1k=prices.cached_cost_per_1k,
        ),
        openai=_openai(settings.openai),
        mock_responses_path=path,
        cassette=_cassette(provider),
        authority=provider.authority,
        key_origin=provider.key_origin,
    )


def _openai(settings: OpenAISettings | None) -> files.OpenAISettings:
    if settings is None:
        return files.NO_OPENAI_SETTINGS
    return files.OpenAISettings(
        api=settings.api.value if settings.api else None,
        reasoning_effort=settings.reasoning_effort.value if settings.reasoning_effort else None,
        parallel_tool_calls=settings.parallel_tool_calls,
        think_tags=settings.think_tags,
    )


def _cassette(provider: ResolvedProvider) -> files.CassetteConfig | None:
    cassette = provider.settings.cassette
    if cassette is None:
        return None
    path = cassette.path or str(_FOLDER / _cassette_file(provider))
    return files.CassetteConfig(cassette.mode.value, path)


def _provider_files(provider: ResolvedProvider) -> Iterator[tuple[str, str]]:
    """Yield the files beside providers.yaml that a provider reads, by name."""
    if provider.responses is not None:
        yield _responses_file(provider), provider.responses
    if provider.cassette is not None:
        yield _cassette_file(provider), provider.cassette


def _cassette_file(provider: ResolvedProvider) -> str:
    return f"cassette-{provider.name}.jsonl"


def _responses_file(provider: ResolvedProvider) -> str:
    return f"mock-{provider.name}.yaml"


def _text(value: object) -> str | None:
    return None if value is None else str(value)
