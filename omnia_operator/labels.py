"""Labels and annotations of the objects that the operator makes."""

from typing import Final

from omnia_core.names import GROUP

NAME: Final = "app.kubernetes.io/name"
INSTANCE: Final = "app.kubernetes.io/instance"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
COMPONENT: Final = f"{GROUP}/component"
MODE: Final = f"{GROUP}/mode"

CREDENTIAL_KIND: Final = f"{GROUP}/credential-kind"
"""On Secrets of users: what kind of credential they are."""
CLIENT_KEY: Final = "agent-client-key"
AGENT_NAME: Final = f"{GROUP}/agent"
"""On client keys: the agent that they are for."""

AGENT: Final = "omnia-agent"
OPERATOR: Final = "omnia-operator"

CONFIG_HASH: Final = f"{GROUP}/config-hash"
"""On pods: what their containers read only when they start. Another value rolls them."""
MANIFEST_HASH: Final = f"{GROUP}/manifest-hash"
"""On owned objects: the manifest that was applied."""
FILES_HASH: Final = f"{GROUP}/files-hash"
"""On pods: the mounted files. Another value makes the kubelet look at them at once."""


def selector(agent: str) -> dict[str, str]:
    """Return the labels that choose the pods of an agent; they never change."""
    return {NAME: AGENT, INSTANCE: agent}


def owned(agent: str) -> dict[str, str]:
    """Return the labels of every object of an agent."""
    return {**selector(agent), MANAGED_BY: OPERATOR, COMPONENT: "agent"}
