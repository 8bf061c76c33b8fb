"""The desired state of an agent as values, which `omnia up` uses as well as the operator."""

from omnia_operator.plan.agent import plan
from omnia_operator.plan.desired import AgentPlan, config_hash, files_hash, hashed
from omnia_operator.plan.evals import EvalsPlan
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
    "EvalsPlan",
    "HpaPlan",
    "KedaPlan",
    "MountPlan",
    "PodPlan",
    "SecretCopy",
    "Settings",
    "config_hash",
    "files_hash",
    "hashed",
    "plan",
]
