"""From manifests to the plans of agents: pure, so that a reload is a comparison of two values."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from omnia_cli.local.canaries import Canaries
from omnia_cli.local.deployment import workloads
from omnia_cli.local.objects import CannotRun, Key, Objects, collect
from omnia_cli.local.rollouts import (
    LocalRollout,
    ObservedRollout,
    decided,
    stable_agent,
    with_schedule,
    with_token,
)
from omnia_cli.manifests import Document
from omnia_core.env import SessionType
from omnia_core.names import Kind, Mode
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
    ResolvedProvider,
    RetentionPolicy,
    ToolService,
    resolve,
    secret_keys,
    service_of,
    tool_secret_keys,
    tools_without_handler,
)
from omnia_operator.rollout.candidate import as_candidate, candidate_of, hindered
from omnia_operator.rollout.identity import digest_of, with_fields
from omnia_operator.rollout.plan import Plan

T = TypeVar("T")


@dataclass(frozen=True)
class AgentSummary:
    """What is known of an agent, also where it cannot run.

    Attributes:
        model: of its first provider.
        version: of its PromptPack, for new conversations.
    """

    mode: Mode
    description: str = ""
    model: str = ""
    version: str = ""

    @classmethod
    def of(cls, agent: AgentRuntime, resolved: Resolved | None) -> "AgentSummary":
        """Return the summary of an agent; `resolved` is None where something prevents it."""
        spec = agent.spec
        first = resolved.providers[0].settings if resolved and resolved.providers else None
        pack = resolved.pack if resolved else None
        return cls(
            mode=spec.mode,
            description=spec.description or "",
            model=(first.model or str(first.type)) if first else "",
            version=pack.stable.version if pack else "",
        )


@dataclass(frozen=True)
class Desired:
    """The plan of each agent, or the problems that prevent it.

    Attributes:
        summaries: of every agent.
        canaries: the steps that the canaries of PromptPacks have reached.
        warnings: what an agent cannot use of what it asks for.
        rollouts: the next steps of the agents that have a rollout.
    """

    objects: Objects
    plans: Mapping[Key, AgentPlan]
    problems: Mapping[Key, tuple[Problem, ...]] = field(default_factory=dict)
    canaries: Canaries = field(default_factory=Canaries)
    warnings: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    rollouts: Mapping[Key, LocalRollout] = field(default_factory=dict)
    summaries: Mapping[Key, AgentSummary] = field(default_factory=dict)

    def only(self, name: str) -> tuple[Key, AgentPlan]:
        """Return the plan of an agent, or of the only one for "".

        Raises:
            CannotRun: it is not among the manifests, or something prevents it.
        """
        for key, problems in self.problems.items():
            if name in ("", key[1]):
                raise CannotRun("; ".join(problem.message for problem in problems))
        found = [(key, plan) for key, plan in self.plans.items() if name in ("", key[1])]
        if len(found) == 1:
            return found[0]
        there = ", ".join(key[1] for key in self.plans) or "none"
        asked = f'there is no agent "{name}"' if name else "name one of the agents with --agent"
        raise CannotRun(f"{asked}; the manifests have: {there}")


def desired(
    documents: list[Document],
    environ: Mapping[str, str],
    settings: Settings,
    canaries: Canaries | None = None,
    now: str = "",
    rollouts: Mapping[Key, ObservedRollout] | None = None,
) -> Desired:
    """Resolve and plan every AgentRuntime.

    `environ` stands in for Secrets that are not among the manifests. `canaries` are the steps of
    the last call, and `now` is the time; without them, all canaries begin. `rollouts` is what is
    known about the rollouts that take a step; without it, none does.

    Raises:
        InvalidResource: a custom resource is not valid.
    """
    resources = {
        (str(Kind(document.kind)), *document.key): parse(document.value)
        for document in documents
        if document.kind in set(Kind)
    }
    agents = {key: _on_one_machine(agent) for key, agent in _of(resources, AgentRuntime).items()}
    wanted = [*_wanted(resources.values()), *_of_workloads(documents)]
    given = collect(documents)
    objects = with_environment(given, wanted, environ)
    found = Found(
        packs=(canaries or Canaries()).with_status(_of(resources, PromptPack)),
        registries=_of(resources, ToolRegistry),
        providers=_of(resources, Provider),
        services=[_service(document) for document in documents if document.kind == "Service"],
        policies=[
            RetentionPolicy.of(policy) for policy in _of(resources, SessionRetentionPolicy).values()
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
    steps: dict[Key, LocalRollout] = {}
    summaries: dict[Key, AgentSummary] = {}
    for key, agent in agents.items():
        observed = (rollouts or {}).get(key)
        step = decided(agent, observed)
        outcome = resolve(agent if step is None else stable_agent(agent, step), found)
        if isinstance(outcome, Resolved):
            plans[key] = plan(_with_origins(outcome, given), settings)
            warnings[key] = tuple(tools_without_handler(outcome))
            summaries[key] = AgentSummary.of(agent, outcome)
        else:
            problems[key] = tuple(_for_this_machine(problem, wanted) for problem in outcome)
            summaries[key] = AgentSummary.of(agent, None)
        if step is None or observed is None:
            continue
        steps[key] = _with_candidate(agent, step, found, given, settings, wanted)
        if key in plans:
            plans[key] = with_schedule(plans[key], agent, step, observed)
        if step.status.active:
            objects = with_token(objects, key, observed)
    return Desired(objects, plans, problems, Canaries.of(found), warnings, steps, summaries)


def _with_candidate(
    agent: AgentRuntime,
    step: Plan,
    found: Found,
    given: Objects,
    settings: Settings,
    wanted: list[tuple[Key, tuple[str, ...]]],
) -> LocalRollout:
    """Return a step with the plan of its candidate, or with what prevents it."""
    fields = step.candidate
    if fields is None:
        return LocalRollout(step, step.status)
    derived = agent.model_copy(update={"spec": with_fields(agent.spec, fields)})
    outcome = resolve(candidate_of(derived, 1), found)
    if not isinstance(outcome, Resolved):
        problems = tuple(_for_this_machine(problem, wanted) for problem in outcome)
        return LocalRollout(step, hindered(step.status, problems[0].message), problems=problems)
    planned = plan(_with_origins(outcome, given), settings)
    name = agent.metadata.name
    return LocalRollout(step, step.status, as_candidate(planned, name, digest_of(fields)))


def _on_one_machine(agent: AgentRuntime) -> AgentRuntime:
    """Return an agent without the volume of its sessions: `Conversations` has the file instead."""
    if agent.spec.session.type is not SessionType.SQLITE:
        return agent
    changed = {"type": SessionType.MEMORY, "persistent_volume_claim": None}
    session = agent.spec.session.model_copy(update=changed)
    spec = agent.spec.model_copy(update={"session": session})
    return agent.model_copy(update={"spec": spec})


def with_environment(
    objects: Objects, wanted: Iterable[tuple[Key, tuple[str, ...]]], environ: Mapping[str, str]
) -> Objects:
    """Add the missing Secrets whose keys are variables of the caller's environment."""
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
                for secret in tool_secret_keys(handler):
                    reference = secret.reference
                    yield (resource.metadata.namespace, reference.name), (reference.key,)
        if settings and settings.secret_ref:
            key = (resource.metadata.namespace, settings.secret_ref.name)
            yield key, secret_keys(settings)


def _of_workloads(documents: Iterable[Document]) -> Iterator[tuple[Key, tuple[str, ...]]]:
    """Yield each key of a Secret that a container of a Deployment has as a variable."""
    for workload in workloads(list(documents)):
        for container in workload.containers:
            for variable in container.get("env") or []:
                reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
                if reference:
                    key = (workload.document.namespace, str(reference.get("name")))
                    yield key, (str(reference.get("key")),)


def _with_origins(resolved: Resolved, given: Objects) -> Resolved:
    """Return an agent whose providers name the variables that their keys come from."""

    def named(provider: ResolvedProvider) -> ResolvedProvider:
        secret = provider.secret
        if secret is None or secret.key in given.secrets.get((secret.namespace, secret.name), {}):
            return provider
        origin = f"the environment variable {secret.key}, which `omnia up` reads when it starts"
        return replace(provider, key_origin=origin)

    return replace(resolved, providers=tuple(map(named, resolved.providers)))


def _for_this_machine(problem: Problem, wanted: list[tuple[Key, tuple[str, ...]]]) -> Problem:
    """Return a problem with a provider's key in words for this machine, any other as it is."""
    if problem.condition != "ProviderReady" or problem.reason not in _NO_KEY:
        return problem
    for (_, secret), keys in wanted:
        variables = [key for key in keys if key.isidentifier()]
        if variables and f'Secret "{secret}"' in problem.message:
            subject = problem.message.partition(" reads ")[0]
            message = (
                f"{subject} has no API key: set the environment variable"
                f' {" or ".join(variables)}, or add Secret "{secret}" with the key'
                f" {' or '.join(keys)}"
            )
            return replace(problem, message=message)
    return problem


# Reasons of problems with the Secret of a key.
_NO_KEY = ("SecretNotFound", "SecretKeyMissing")


def _service(document: Document) -> ToolService:
    names = {"name": document.name, "namespace": document.namespace}
    metadata = {**(document.value.get("metadata") or {}), **names}
    return service_of({**document.value, "metadata": metadata})


def _of(resources: Mapping[tuple[str, str, str], object], kind: type[T]) -> dict[Key, T]:
    return {key[1:]: resource for key, resource in resources.items() if isinstance(resource, kind)}
