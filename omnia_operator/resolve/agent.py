"""Everything that an agent refers to, found and checked."""

from dataclasses import dataclass, field

from omnia_core.env import SessionType
from omnia_core.names import Handler, Kind
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.toolhandler import SELF_DESCRIBING, Tool, ToolHandler
from omnia_operator.resolve.auth import ResolvedAuth, resolve_auth
from omnia_operator.resolve.found import Found, Problem, granted, missing, not_granted, unusable
from omnia_operator.resolve.lineup import Lineup
from omnia_operator.resolve.packs import fitting, resolve_pack
from omnia_operator.resolve.providers import (
    ResolvedProvider,
    SecretSource,
    resolve_providers,
)
from omnia_operator.resolve.retention import RetentionPolicy, in_force
from omnia_operator.resolve.services import with_addresses


@dataclass(frozen=True)
class Resolved:
    """An agent with everything that it refers to."""

    agent: AgentRuntime
    pack: Lineup | None = None
    """The versions of the pack; None when the facade answers by itself."""
    providers: tuple[ResolvedProvider, ...] = ()
    handlers: tuple[ToolHandler, ...] = ()
    """The tool handlers of the registry."""
    tools_namespace: str = ""
    """The namespace of the registry, "" without one."""
    store: SecretSource | None = None
    """Where the address of the session store is; None when the pod itself keeps sessions."""
    retention: RetentionPolicy | None = None
    """What bounds how long sessions are kept; None where nothing but the agent does."""
    auth: ResolvedAuth = field(default_factory=ResolvedAuth)
    """What the facade needs to check credentials."""


def resolve(agent: AgentRuntime, found: Found) -> Resolved | tuple[Problem, ...]:
    """Find everything that an agent refers to, or say what stands in the way."""
    if agent.spec.facade.handler is not Handler.RUNTIME:
        return Resolved(agent, auth=resolve_auth(agent, found))
    handlers = _handlers(agent, found)
    tools = () if isinstance(handlers, Problem) else handlers
    pack = fitting(agent, resolve_pack(agent, found, _described(tools)))
    providers = resolve_providers(agent, found)
    store = resolve_store(agent, found)
    outcomes = (pack, *providers, handlers, store)
    problems = tuple(each for each in outcomes if isinstance(each, Problem))
    if problems:
        return problems
    return Resolved(
        agent,
        pack=None if isinstance(pack, Problem) else pack,
        providers=tuple(each for each in providers if isinstance(each, ResolvedProvider)),
        handlers=tools,
        tools_namespace=_tools_namespace(agent),
        store=None if isinstance(store, Problem) else store,
        retention=in_force(agent.metadata.namespace, found.policies),
        auth=resolve_auth(agent, found),
    )


def _described(handlers: tuple[ToolHandler, ...]) -> list[Tool]:
    """Return what an inline prompt lists: nothing, which is all, when servers know their tools."""
    if any(each.type in SELF_DESCRIBING for each in handlers):
        return []
    return [each.tool for each in handlers if each.tool]


def _tools_namespace(agent: AgentRuntime) -> str:
    reference = agent.spec.tool_registry_ref
    return "" if reference is None else reference.namespace or agent.metadata.namespace


def _handlers(agent: AgentRuntime, found: Found) -> tuple[ToolHandler, ...] | Problem:
    reference = agent.spec.tool_registry_ref
    if reference is None:
        return ()
    namespace = agent.metadata.namespace
    key = reference.namespace or namespace, reference.name
    invalid = unusable(Kind.TOOL_REGISTRY, key, found)
    if invalid is not None:
        return Problem("ToolRegistryReady", "ToolRegistryInvalid", invalid, retry=True)
    registry = found.registries.get(key)
    if registry is None:
        message = missing("ToolRegistry", key, found.registries, "spec.toolRegistryRef")
        return Problem("ToolRegistryReady", "ToolRegistryNotFound", message, retry=True)
    if not granted(key[0], registry.spec.allowed_namespaces, namespace):
        message = not_granted("ToolRegistry", key, namespace)
        return Problem("ToolRegistryReady", "ToolRegistryNotGranted", message, retry=True)
    return with_addresses(registry.spec.handlers, found.services, key[0])


STORE_KEY = "url"
"""Key of the store's Secret."""


def resolve_store(agent: AgentRuntime, found: Found) -> SecretSource | Problem | None:
    """Find the address of the agent's session store; None when the pod itself keeps sessions."""
    session, namespace = agent.spec.session, agent.metadata.namespace
    if session.type is SessionType.MEMORY or session.store_ref is None:
        return None
    name = session.store_ref.name
    keys = found.secrets.get((namespace, name))
    wanted = f'the address of the session store is read from key {STORE_KEY} of Secret "{name}"'
    if keys is None:
        message = f"{wanted}, which does not exist: create it, or correct spec.session.storeRef"
        return Problem("SessionStoreReady", "SecretNotFound", message, retry=True)
    if STORE_KEY not in keys:
        message = f"{wanted}, which has the keys {', '.join(sorted(keys)) or 'none'}: add it"
        return Problem("SessionStoreReady", "SecretKeyMissing", message, retry=True)
    return SecretSource(namespace, name, STORE_KEY)
