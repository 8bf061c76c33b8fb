"""Labels, annotations and names of the operator's objects."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from omnia_core.names import GROUP, Variant

NAME: Final = "app.kubernetes.io/name"
INSTANCE: Final = "app.kubernetes.io/instance"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
COMPONENT: Final = f"{GROUP}/component"
MODE: Final = f"{GROUP}/mode"

CREDENTIAL_KIND: Final = f"{GROUP}/credential-kind"
"""On Secrets of users: the kind of credential."""
CLIENT_KEY: Final = "agent-client-key"
AGENT_NAME: Final = f"{GROUP}/agent"
"""On client keys, on pods, and on the objects of a candidate: the name of the agent."""

AGENT: Final = "omnia-agent"
OPERATOR: Final = "omnia-operator"
ROLLOUT_MANAGER: Final = "omnia-rollout"
"""Field manager of what a rollout writes into objects of users, apart from what is applied: GitOps
can be told to leave its fields alone."""

CONFIG_HASH: Final = f"{GROUP}/config-hash"
"""On pods: hash of what containers read only at the start. A new value replaces the pods."""
MANIFEST_HASH: Final = f"{GROUP}/manifest-hash"
"""On owned objects: hash of the applied manifest."""
APPLIED_BY: Final = f"{GROUP}/applied-by"
"""On Deployments: namespace and name of the Lease of the operator that applied it."""
GRANTS: Final = f"{GROUP}/grants"
"""On Deployments: the Providers and ToolRegistries of other namespaces that the pods use."""
FILES_HASH: Final = f"{GROUP}/files-hash"
"""On pods: hash of the mounted files. A new value makes the kubelet update them at once."""


TRACK: Final = f"{GROUP}/track"
VARIANT: Final = f"{GROUP}/variant"
"""On pods: the side of a rollout, as `stable` or `canary` and as `stable` or `candidate`."""
ROLLOUT: Final = f"{GROUP}/rollout"
"""On Deployments of agents with a rollout: digest of what their pods run with."""
ROLLOUT_REQUEST: Final = f"{GROUP}/rollout-request"
"""On AgentRuntimes: what a person asks of the rollout."""


_PREFIX = "omnia-"
_FOLDERS = ("auth", "card", "function", "pack", "providers", "rollout", "tools")
_LABEL = 63
_DIGITS = 8


def canary_name(agent: str) -> str:
    """Return the name of the Deployment and the Service of a candidate: a label of DNS."""
    return _suffixed(agent, "-canary")


def candidate_service(agent: str) -> str:
    """Return the name of the Service by which a Gateway reaches the facades of a candidate."""
    return _suffixed(agent, "-candidate")


def stable_service(agent: str) -> str:
    """Return the name of the Service by which a candidate's facades reach the pods of stable."""
    return _suffixed(agent, "-stable")


def _suffixed(agent: str, suffix: str) -> str:
    if len(agent) + len(suffix) <= _LABEL:
        return agent + suffix
    digest = hashlib.sha256(agent.encode()).hexdigest()[:_DIGITS]
    return f"{agent[: _LABEL - len(suffix) - _DIGITS - 1]}-{digest}{suffix}"


def selector(agent: str) -> dict[str, str]:
    """Return the labels that select the pods of an agent; they never change."""
    return {NAME: AGENT, INSTANCE: agent}


def both_sides(agent: str) -> dict[str, str]:
    """Return the labels that select the pods of an agent, and those of its candidate."""
    return {NAME: AGENT, AGENT_NAME: agent}


def side(agent: str, variant: Variant) -> dict[str, str]:
    """Return the labels that tell the pods of one side of a rollout from those of the other."""
    candidate = variant is Variant.CANDIDATE
    return {
        AGENT_NAME: agent,
        TRACK: "canary" if candidate else "stable",
        VARIANT: variant.value,
    }


def owned(agent: str) -> dict[str, str]:
    """Return the labels of every object of an agent."""
    return {**selector(agent), MANAGED_BY: OPERATOR, COMPONENT: "agent"}


def marked(found: Mapping[str, str], agent: str) -> bool:
    """Whether labels are those of the objects of an agent."""
    return owned(agent).items() <= found.items()


@dataclass(frozen=True)
class OwnedNames:
    """The names of the objects that the pods of an agent run as or mount.

    Their prefix keeps them apart from names that people choose: an agent `shop` and a ConfigMap
    `shop-pack` are both likely. The Service and the Deployment have the agent's own name.
    """

    agent: str

    @property
    def service_account(self) -> str:
        """The ServiceAccount of the pods."""
        return self._named("agent")

    @property
    def auth_secret(self) -> str:
        """The Secret with the keys of clients."""
        return self._named("auth")

    @property
    def copied_keys(self) -> str:
        """The Secret with the keys that were copied from other namespaces."""
        return self._named("provider-keys")

    @property
    def card_key(self) -> str:
        """The Secret with the key that signs the agent card; the operator makes it."""
        return self._named("card-key")

    @property
    def evals(self) -> str:
        """The Deployment that evaluates the sessions."""
        return f"{self.agent}-evals"

    @property
    def peer_secret(self) -> str:
        """The Secret with the token for the pods of a candidate; the operator makes it."""
        return self._named("peer")

    @property
    def every(self) -> frozenset[str]:
        """The names of all objects of the agent; most of those without pods have its own name."""
        folders = (self.config_map(folder) for folder in _FOLDERS)
        names = {self.service_account, *self.secrets, *folders}
        services = {candidate_service(self.agent), stable_service(self.agent)}
        return frozenset({self.agent, self.evals, *services, *names, *map(former_name, names)})

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every Secret: pods may mount one that does not exist."""
        return self.auth_secret, self.copied_keys, self.card_key, self.peer_secret

    def config_map(self, folder: str) -> str:
        """Return the name of the ConfigMap that is mounted as a folder."""
        return self._named(folder)

    def _named(self, part: str) -> str:
        return f"{_PREFIX}{self.agent}-{part}"


def former_name(name: str) -> str:
    """Return the name that an object of `OwnedNames` had before it had the prefix."""
    return name.removeprefix(_PREFIX)
