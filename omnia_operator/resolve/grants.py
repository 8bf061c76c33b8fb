"""The objects of other namespaces that an agent uses by a grant, their `allowedNamespaces`."""

from collections.abc import Iterator
from typing import NamedTuple, Self

from omnia_core import names
from omnia_core.names import Handler, Kind
from omnia_operator.api.agentruntime import AgentRuntime


class Grant(NamedTuple):
    """A Provider or ToolRegistry of another namespace."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return a grant from its text; None if it is none."""
        kind, _, key = text.partition("/")
        namespace, _, name = key.partition("/")
        if kind not in (Kind.PROVIDER, Kind.TOOL_REGISTRY) or not namespace or not name:
            return None
        return cls(Kind(kind), namespace, name)


def mocked(agent: AgentRuntime) -> bool:
    """Whether an annotation replaces the agent's providers by mocks."""
    return agent.metadata.annotations.get(names.MOCK_PROVIDER_ANNOTATION) == "true"


def needed_grants(agent: AgentRuntime) -> Iterator[Grant]:
    """Yield the grants without which an agent cannot run."""
    spec, own = agent.spec, agent.metadata.namespace
    if spec.facade.handler is not Handler.RUNTIME:
        return
    used = (
        []
        if mocked(agent)
        else [(Kind.PROVIDER, provider.provider_ref) for provider in spec.providers]
    )
    if spec.tool_registry_ref is not None:
        used.append((Kind.TOOL_REGISTRY, spec.tool_registry_ref))
    for kind, reference in used:
        if reference.namespace not in (None, "", own):
            yield Grant(kind, str(reference.namespace), reference.name)
