"""Labels and annotations of the operator's objects."""

from typing import Final

from omnia_core.names import GROUP

NAME: Final = "app.kubernetes.io/name"
INSTANCE: Final = "app.kubernetes.io/instance"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
COMPONENT: Final = f"{GROUP}/component"
MODE: Final = f"{GROUP}/mode"

CREDENTIAL_KIND: Final = f"{GROUP}/credential-kind"
"""On Secrets of users: the kind of credential."""
CLIENT_KEY: Final = "agent-client-key"
AGENT_NAME: Final = f"{GROUP}/agent"
"""On client keys: the name of the agent."""

AGENT: Final = "omnia-agent"
OPERATOR: Final = "omnia-operator"

CONFIG_HASH: Final = f"{GROUP}/config-hash"
"""On pods: hash of what containers read only at the start. A new value replaces the pods."""
MANIFEST_HASH: Final = f"{GROUP}/manifest-hash"
"""On owned objects: hash of the applied manifest."""
FILES_HASH: Final = f"{GROUP}/files-hash"
"""On pods: hash of the mounted files. A new value makes the kubelet update them at once."""


def selector(agent: str) -> dict[str, str]:
    """Return the labels that select the pods of an agent; they never change."""
    return {NAME: AGENT, INSTANCE: agent}


def owned(agent: str) -> dict[str, str]:
    """Return the labels of every object of an agent."""
    return {**selector(agent), MANAGED_BY: OPERATOR, COMPONENT: "agent"}
