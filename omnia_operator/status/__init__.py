"""What was found, as the status of a resource: pure functions of what there is."""

from omnia_operator.status.agent import AgentFacts, agent_status
from omnia_operator.status.announcements import Announcement, announcements
from omnia_operator.status.canary import news
from omnia_operator.status.pack import PackFacts, pack_facts, pack_status
from omnia_operator.status.policy import PolicyFacts, effective, policy_status
from omnia_operator.status.provider import provider_status
from omnia_operator.status.registry import registry_status
from omnia_operator.status.retention import overriding
from omnia_operator.status.workload import PodState, Workload

__all__ = [
    "AgentFacts",
    "Announcement",
    "PackFacts",
    "PodState",
    "PolicyFacts",
    "Workload",
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
