"""Where an agent's conversations are kept."""

from omnia_operator.api.agentruntime import AgentRuntime
from omnia_operator.api.session import SessionType
from omnia_operator.resolve.found import Found, Problem
from omnia_operator.resolve.providers import SecretSource

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
