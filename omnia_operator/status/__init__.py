"""The status of each resource, as pure functions of the observed state."""

from omnia_operator.status.agent import AgentFacts, agent_status
from omnia_operator.status.agent_conditions import (
    CARD_SIGNED,
    OBJECTS_IN_SYNC,
    overriding,
    unreachable_store,
)
from omnia_operator.status.analysis import analysis_status
from omnia_operator.status.budget import WITHIN_BUDGET
from omnia_operator.status.conditions import Announcement, announcements, dated
from omnia_operator.status.enforced import SPEC_ENFORCED, spec_enforced
from omnia_operator.status.evals import EVALS_READY
from omnia_operator.status.exposure import EXPOSE_READY, ROUTE_PENDING
from omnia_operator.status.pack import PackFacts, news, pack_facts, pack_status
from omnia_operator.status.policy import PolicyFacts, effective, policy_status
from omnia_operator.status.provider import provider_status
from omnia_operator.status.registry import registry_status
from omnia_operator.status.rollout import TRAFFIC_ROUTING
from omnia_operator.status.workload import DeploymentState, PodState

__all__ = [
    "CARD_SIGNED",
    "EVALS_READY",
    "EXPOSE_READY",
    "OBJECTS_IN_SYNC",
    "ROUTE_PENDING",
    "SPEC_ENFORCED",
    "TRAFFIC_ROUTING",
    "WITHIN_BUDGET",
    "AgentFacts",
    "Announcement",
    "DeploymentState",
    "PackFacts",
    "PodState",
    "PolicyFacts",
    "agent_status",
    "analysis_status",
    "announcements",
    "dated",
    "effective",
    "news",
    "overriding",
    "pack_facts",
    "pack_status",
    "policy_status",
    "provider_status",
    "registry_status",
    "spec_enforced",
    "unreachable_store",
]
