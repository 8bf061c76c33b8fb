"""Resolves an agent: everything that it refers to, found and checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from omnia_core.env import SessionType
from omnia_core.files.config_text import ConfigText
from omnia_core.names import Handler, Kind
from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.toolhandler import SELF_DESCRIBING, Tool, ToolHandler
from omnia_operator.resolve.auth import ResolvedAuth, resolve_auth
from omnia_operator.resolve.config_texts import handler_authority, handler_document
from omnia_operator.resolve.found import (
    CardKey,
    Found,
    Problem,
    granted,
    missing,
    not_granted,
    unusable,
)
from omnia_operator.resolve.lineup import Lineup
from omnia_operator.resolve.packs import fitting, resolve_pack
from omnia_operator.resolve.providers import (
    ResolvedProvider,
    SecretSource,
    resolve_providers,
)
from omnia_operator.resolve.retention import RetentionPolicy, in_force
from omnia_operator.resolve.services import with_addresses

_STORE_KEY = "url"
"""Key of the store's Secret."""


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
    documents: Mapping[str, ConfigText] = field(default_factory=dict)
    """OpenAPI documents of ConfigMaps, by the name of their handler."""
    authorities: Mapping[str, ConfigText] = field(default_factory=dict)
    """Certificate authorities of tool servers, by the name of their handler."""
    store: SecretSource | None = None
    """Key with the address of the session store; None when the pod keeps the sessions itself."""
    retention: RetentionPolicy | None = None
    """The SessionRetentionPolicy in force; None without one."""
    auth: ResolvedAuth = field(default_factory=ResolvedAuth)
    """What the facade needs to check credentials."""
    card_key: CardKey | None = None
    """The key that signs the agent card; None if it is not signed."""

    @property
    def has_store(self) -> bool:
        """Whether its pods need a session store that they may fail to reach, be it a file."""
        is_file = self.agent.spec.session.type is SessionType.SQLITE
        return self.store is not None or (
            is_file and self.agent.spec.facade.handler is Handler.RUNTIME
        )


def resolve(agent: AgentRuntime, found: Found) -> Resolved | tuple[Problem, ...]:
    """Return an agent with everything that it refers to, or its problems."""
    if agent.spec.facade.handler is not Handler.RUNTIME:
        return Resolved(agent, auth=resolve_auth(agent, found), card_key=found.card_key)
    handlers = _handlers(agent, found)
    tools = () if isinstance(handlers, Problem) else handlers
    pack = fitting(agent, resolve_pack(agent, found, _described(tools)))
    providers = resolve_providers(agent, found)
    store = _store(agent, found)
    outcomes = (pack, *providers, handlers, store)
    problems = tuple(outcome for outcome in outcomes if isinstance(outcome, Problem))
    if problems:
        return problems
    return Resolved(
        agent,
        pack=None if isinstance(pack, Problem) else pack,
        providers=tuple(
            provider for provider in providers if isinstance(provider, ResolvedProvider)
        ),
        handlers=tools,
        tools_namespace=_tools_namespace(agent),
        documents=_texts(handler_document, tools, agent, found),
        authorities=_texts(handler_authority, tools, agent, found),
        store=None if isinstance(store, Problem) else store,
        retention=in_force(agent.metadata.namespace, found.policies),
        auth=resolve_auth(agent, found),
        card_key=found.card_key,
    )


def _described(handlers: tuple[ToolHandler, ...]) -> list[Tool]:
    """Return the tools of an inline prompt; none means all, as servers describe their own."""
    if any(handler.type in SELF_DESCRIBING for handler in handlers):
        return []
    return [handler.tool for handler in handlers if handler.tool]


def _tools_namespace(agent: AgentRuntime) -> str:
    reference = agent.spec.tool_registry_ref
    return "" if reference is None else reference.namespace or agent.metadata.namespace


def _texts(
    read: Callable[[ToolHandler, str, Found], ConfigText | None],
    handlers: tuple[ToolHandler, ...],
    agent: AgentRuntime,
    found: Found,
) -> Mapping[str, ConfigText]:
    namespace = _tools_namespace(agent)
    texts = {handler.name: read(handler, namespace, found) for handler in handlers}
    return {name: text for name, text in texts.items() if text is not None}


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


def _store(agent: AgentRuntime, found: Found) -> SecretSource | Problem | None:
    """Find the address of the session store; None when the pod keeps the sessions itself."""
    session, namespace = agent.spec.session, agent.metadata.namespace
    if session.type is SessionType.SQLITE:
        return session_file_problem(agent)
    if session.type is SessionType.MEMORY or session.store_ref is None:
        return None
    name = session.store_ref.name
    keys = found.secrets.get((namespace, name))
    wanted = f'the address of the session store is read from key {_STORE_KEY} of Secret "{name}"'
    if keys is None:
        message = f"{wanted}, which does not exist: create it, or correct spec.session.storeRef"
        return Problem("SessionStoreReady", "SecretNotFound", message, retry=True)
    if _STORE_KEY not in keys:
        message = f"{wanted}, which has the keys {', '.join(sorted(keys)) or 'none'}: add it"
        return Problem("SessionStoreReady", "SecretKeyMissing", message, retry=True)
    return SecretSource(namespace, name, _STORE_KEY)


def session_file_problem(agent: AgentRuntime) -> Problem | None:
    """Return why the pods of an agent with `session.type: sqlite` cannot keep sessions, if so."""
    condition, scaling = "SessionStoreReady", agent.spec.runtime.autoscaling
    if agent.spec.session.persistent_volume_claim is None:
        message = (
            "sessions in SQLite are a file, which would be lost with the pod: set"
            " spec.session.persistentVolumeClaim.claimName to a claim of this namespace"
        )
        return Problem(condition, "VolumeClaimMissing", message, retry=False)
    scaled = scaling is not None and scaling.enabled
    if (scaling.max_replicas if scaling and scaled else agent.spec.runtime.replicas) > 1:
        field = "autoscaling.maxReplicas" if scaled else "replicas"
        message = (
            "sessions in SQLite are a file of one pod: set"
            f" spec.runtime.{field} to 1, or spec.session.type to redis, postgres or mongodb"
        )
        return Problem(condition, "SeveralReplicas", message, retry=False)
    return None
