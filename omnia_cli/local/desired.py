"""From manifests to what should run: pure, so that a reload is a comparison of two values."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from omnia_cli.local.canaries import Canaries
from omnia_cli.local.objects import Key, Objects, collect
from omnia_cli.manifests import Document
from omnia_core.names import Kind
from omnia_operator.api import (
    AgentRuntime,
    AnyResource,
    PromptPack,
    Provider,
    SessionRetentionPolicy,
    ToolRegistry,
    parse,
)
from omnia_operator.api.provider import ProviderSettings
from omnia_operator.plan import AgentPlan, Settings, plan
from omnia_operator.resolve import (
    Found,
    Problem,
    Resolved,
    RetentionPolicy,
    ToolService,
    resolve,
    secret_keys,
    service_of,
    tools_without_handler,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Desired:
    """What the manifests ask for: a plan for each agent, or the reason why there is none.

    Attributes:
        canaries: where the canaries of PromptPacks stand.
        warnings: what an agent cannot use of what it asks for.
    """

    objects: Objects
    plans: Mapping[Key, AgentPlan]
    problems: Mapping[Key, tuple[Problem, ...]] = field(default_factory=dict)
    canaries: Canaries = field(default_factory=Canaries)
    warnings: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)


def desired(
    documents: list[Document],
    environ: Mapping[str, str],
    settings: Settings,
    canaries: Canaries | None = None,
    now: str = "",
) -> Desired:
    """Resolve and plan every AgentRuntime.

    `environ` stands in for Secrets that are not among the manifests. `canaries` is where they
    stood the last time, and `now` the time; without them, everything begins.

    Raises:
        InvalidResource: a custom resource is not valid.
    """
    resources = {
        (str(Kind(document.kind)), *document.key): parse(document.value)
        for document in documents
        if document.kind in set(Kind)
    }
    agents = _of(resources, AgentRuntime)
    objects = with_environment(collect(documents), _wanted(resources.values()), environ)
    found = Found(
        packs=(canaries or Canaries()).told(_of(resources, PromptPack)),
        registries=_of(resources, ToolRegistry),
        providers=_of(resources, Provider),
        services=[_service(each) for each in documents if each.kind == "Service"],
        policies=[
            RetentionPolicy.of(each) for each in _of(resources, SessionRetentionPolicy).values()
        ],
        config_maps={
            key: {name: content.decode(errors="replace") for name, content in data.items()}
            for key, data in objects.config_maps.items()
        },
        secrets={key: dict.fromkeys(data, "") for key, data in objects.secrets.items()},
        at=now,
    )
    plans: dict[Key, AgentPlan] = {}
    problems: dict[Key, tuple[Problem, ...]] = {}
    warnings: dict[Key, tuple[str, ...]] = {}
    for key, agent in agents.items():
        outcome = resolve(agent, found)
        if isinstance(outcome, Resolved):
            plans[key] = plan(outcome, settings)
            warnings[key] = tuple(tools_without_handler(outcome))
        else:
            problems[key] = outcome
    return Desired(objects, plans, problems, Canaries.of(found), warnings)


def with_environment(
    objects: Objects, wanted: Iterable[tuple[Key, tuple[str, ...]]], environ: Mapping[str, str]
) -> Objects:
    """Add the Secrets that are missing and whose keys the caller's environment holds."""
    secrets = {key: dict(data) for key, data in objects.secrets.items()}
    for key, names in wanted:
        if not any(name in secrets.get(key, {}) for name in names):
            there = {name: environ[name].encode() for name in names if environ.get(name)}
            if there:
                secrets[key] = secrets.get(key, {}) | there
    return replace(objects, secrets=secrets)


def _wanted(resources: Iterable[AnyResource]) -> Iterator[tuple[Key, tuple[str, ...]]]:
    """Yield each Secret that a provider or a tool names, and the keys that it may have."""
    for resource in resources:
        settings: ProviderSettings | None = None
        if isinstance(resource, Provider):
            settings = resource.spec
        elif isinstance(resource, AgentRuntime):
            settings = resource.spec.provider
        elif isinstance(resource, ToolRegistry):
            for handler in resource.spec.handlers:
                if handler.auth and (reference := handler.auth.secret_ref):
                    yield (resource.metadata.namespace, reference.name), (reference.key,)
        if settings and settings.secret_ref:
            key = (resource.metadata.namespace, settings.secret_ref.name)
            yield key, secret_keys(settings)


def _service(document: Document) -> ToolService:
    names = {"name": document.name, "namespace": document.namespace}
    metadata = {**(document.value.get("metadata") or {}), **names}
    return service_of({**document.value, "metadata": metadata})


def _of(resources: Mapping[tuple[str, str, str], object], kind: type[T]) -> dict[Key, T]:
    return {key[1:]: each for key, each in resources.items() if isinstance(each, kind)}
