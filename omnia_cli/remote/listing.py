"""The agents of a namespace as the console shows them, from what kubectl prints; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from omnia_cli.cluster import UNREADABLE
from omnia_cli.hub.directory import HubAgent, HubState
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import INLINE_VERSION, Mode
from omnia_operator.api.agentruntime import AgentPhase

_STATES = {AgentPhase.RUNNING: HubState.READY, AgentPhase.FAILED: HubState.FAILED}


class UnreadableList(ValueError):
    """What kubectl printed is no list of such objects."""


class _Metadata(Struct):
    name: str
    namespace: str = ""


class _Condition(Struct):
    type: str
    status: str
    message: str = ""


class _Status(Struct, rename="camel"):
    phase: str = ""
    active_version: str = ""
    conditions: list[_Condition] = []


class _Settings(Struct):
    type: str = ""
    model: str = ""

    @property
    def shown(self) -> str:
        return self.model or self.type


class _Reference(Struct):
    name: str
    namespace: str = ""


class _NamedProvider(Struct, rename="camel"):
    provider_ref: _Reference | None = None


class _AgentSpec(Struct):
    mode: str = Mode.AGENT
    description: str = ""
    provider: _Settings | None = None
    providers: list[_NamedProvider] = []


class _Agent(Struct):
    metadata: _Metadata
    spec: _AgentSpec
    status: _Status = msgspec.field(default_factory=_Status)


class _Provider(Struct):
    metadata: _Metadata
    spec: _Settings


class _Agents(Struct):
    items: list[_Agent]


class _Providers(Struct):
    items: list[_Provider]


def models(listed: str) -> dict[str, str]:
    """Return the model of each Provider of a namespace, by its name.

    Raises:
        UnreadableList: it is no list of Providers.
    """
    found = _decoded(listed, _Providers)
    return {item.metadata.name: item.spec.shown for item in found.items}


def agents(listed: str, namespace: str, models: Mapping[str, str]) -> tuple[HubAgent, ...]:
    """Return the agents of a namespace.

    Raises:
        UnreadableList: it is no list of AgentRuntimes.
    """
    found = _decoded(listed, _Agents)
    return tuple(_described(agent, namespace, models) for agent in found.items)


def _described(agent: _Agent, namespace: str, models: Mapping[str, str]) -> HubAgent:
    status, spec = agent.status, agent.spec
    ready = next((condition for condition in status.conditions if condition.type == "Ready"), None)
    state = _STATES.get(AgentPhase(status.phase)) if status.phase in set(AgentPhase) else None
    return HubAgent(
        namespace=namespace,
        name=agent.metadata.name,
        mode=spec.mode,
        state=state or HubState.STARTING,
        message=ready.message if ready and ready.status != "True" else "",
        description=spec.description,
        model=_model(spec, namespace, models),
        version=status.active_version if status.active_version != INLINE_VERSION else "",
    )


def _model(spec: _AgentSpec, namespace: str, models: Mapping[str, str]) -> str:
    if spec.provider:
        return spec.provider.shown
    first = next(
        (provider.provider_ref for provider in spec.providers if provider.provider_ref), None
    )
    # A Provider of another namespace is not read.
    if first is None or first.namespace not in ("", namespace):
        return ""
    return models.get(first.name, "")


def changes(before: Sequence[HubAgent], after: Sequence[HubAgent]) -> Iterator[JsonObject]:
    """Yield an event for each agent that is new, gone, or another than before."""
    known = {agent.name: agent for agent in before}
    for agent in after:
        old = known.pop(agent.name, None)
        named = {"namespace": agent.namespace, "name": agent.name}
        if old == agent:
            continue
        if old and old.version != agent.version:
            yield {"event": "reloaded", **named, "from": old.version, "to": agent.version}
        elif agent.state is HubState.READY:
            yield {"event": "ready", **named, "mode": agent.mode}
        else:
            yield {"event": "failed", **named, "reason": agent.message}
    for gone in known.values():
        yield {"event": "removed", "namespace": gone.namespace, "name": gone.name}


def _decoded(text: str, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(text, type=kind, strict=False)
    except msgspec.DecodeError as error:
        raise UnreadableList(f"{UNREADABLE}: {error}") from error
