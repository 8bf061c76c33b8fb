"""The desired state of an agent as values, which `omnia up` uses as well as the operator."""

from omnia_operator.plan.agent import plan
from omnia_operator.plan.desired import AgentPlan, config_hash, files_hash
from omnia_operator.plan.shapes import (
    ConfigMapPlan,
    ContainerPlan,
    MountPlan,
    SecretCopy,
    Settings,
)
from omnia_operator.plan.workload import HpaPlan, KedaPlan, PodPlan

__all__ = [
    "AgentPlan",
    "ConfigMapPlan",
    "ContainerPlan",
    "HpaPlan",
    "KedaPlan",
    "MountPlan",
    "PodPlan",
    "SecretCopy",
    "Settings",
    "config_hash",
    "files_hash",
    "plan",
]
