"""The entire desired state of an agent as values; a cluster and a laptop get the same."""

from omnia_operator.plan.agent import plan
from omnia_operator.plan.desired import AgentPlan
from omnia_operator.plan.fingerprint import config_hash, files_hash
from omnia_operator.plan.servers import with_addresses
from omnia_operator.plan.shapes import (
    ConfigMapPlan,
    ContainerPlan,
    Mount,
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
    "Mount",
    "PodPlan",
    "SecretCopy",
    "Settings",
    "config_hash",
    "files_hash",
    "plan",
    "with_addresses",
]
