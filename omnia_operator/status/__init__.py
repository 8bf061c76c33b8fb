"""The status of each resource, as pure functions of the observed state."""

from omnia_operator.status.agent import AgentFacts, agent_status
from omnia_operator.status.agent_conditions import overriding
from omnia_operator.status.conditions import Announcement, announcements
from omnia_operator.status.pack import PackFacts, news, pack_facts, pack_status
from omnia_operator.status.policy import PolicyFacts, effective, policy_status
from omnia_operator.status.provider import provider_status
from omnia_operator.status.registry import registry_status
from omnia_operator.status.workload import DeploymentState, PodState

__all__ = [
    "AgentFacts",
    "Announcement",
    "DeploymentState",
    "PackFacts",
    "PodState",
    "PolicyFacts",
    "agent_status",
    "announcements",
    "effective",
    "news",
    "overriding",
    "pack_facts",
    "pack_status",
    "policy_status",
    "provider_status",
    "registry_status",
]
