"""Findings about SessionRetentionPolicies: which one is in force, and what overrides it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeVar

from omnia_cli.findings import Finding, about
from omnia_cli.manifests import Document
from omnia_core.names import API_VERSION, Handler
from omnia_operator import api
from omnia_operator.api import AgentRuntime, SessionRetentionPolicy
from omnia_operator.api.meta import Resource
from omnia_operator.resolve import RetentionPolicy, in_force
from omnia_operator.status import effective, overriding

T = TypeVar("T", bound=Resource)


def remarks(documents: Sequence[Document]) -> Iterator[Finding]:
    """Yield a warning for each policy that is not in force, each bound without an effect, and each
    variable of an agent that overrides a policy.
    """
    policies = list(_valid(documents, SessionRetentionPolicy))
    candidates: dict[str, list[RetentionPolicy]] = defaultdict(list)
    for _, policy in policies:
        candidates[policy.metadata.namespace].append(RetentionPolicy.of(policy))
    chosen = {namespace: in_force(namespace, here) for namespace, here in candidates.items()}
    agents: dict[str, list[tuple[Document, AgentRuntime]]] = defaultdict(list)
    for document, agent in _valid(documents, AgentRuntime):
        if agent.spec.facade.handler is Handler.RUNTIME:
            agents[document.namespace].append((document, agent))
    for document, policy in policies:
        namespace = document.namespace
        holding = chosen.get(namespace)
        if holding is not None and holding.name != document.name:
            message = (
                f'namespace "{namespace}" has SessionRetentionPolicy "{holding.name}" too: only the'
                " oldest one is in force, or the first by name before they are created; keep one"
            )
            yield about(document, ("metadata", "name"), message, "warning")
            continue
        held = agents[namespace]
        stores = [(agent.metadata.name, agent.spec.session.type) for _, agent in held]
        if verdict := effective(policy.spec, stores).message:
            yield about(document, ("spec", "retentionDays"), verdict, "warning")
        for place, agent in held:
            for container, index, variable in overriding(agent.spec, policy.spec):
                message = (
                    f'{variable} overrides SessionRetentionPolicy "{document.name}" of namespace'
                    f' "{namespace}": remove it'
                )
                path = ("spec", container, "extraEnv", index, "name")
                yield about(place, path, message, "warning")


def _valid(documents: Sequence[Document], model: type[T]) -> Iterator[tuple[Document, T]]:
    for document in documents:
        if document.kind == model.kind_name and document.value.get("apiVersion") == API_VERSION:
            try:
                resource = api.parse(document.value)
            except api.InvalidResource:
                continue
            if isinstance(resource, model):
                yield document, resource
