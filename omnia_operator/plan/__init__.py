"""The entire desired state of an agent as values; a cluster and a laptop get the same."""

from omnia_operator.plan.agent import plan
from omnia_operator.plan.shapes import (
    AgentPlan,
    ConfigMapPlan,
    ContainerPlan,
    Mount,
    SecretCopy,
    Settings,
)

__all__ = [
    "AgentPlan",
    "ConfigMapPlan",
    "ContainerPlan",
    "Mount",
    "SecretCopy",
    "Settings",
    "plan",
]
