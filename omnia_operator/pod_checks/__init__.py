"""What only the pods of an agent know: whether they reach their store, whether money is left."""

from omnia_operator.pod_checks.checks import (
    BUDGET_CHECK,
    EVAL_BUDGET_CHECK,
    STORE_CHECK,
    WORKER_BUDGET_CHECK,
    PodCheck,
)
from omnia_operator.pod_checks.pods import PodHealth
from omnia_operator.pod_checks.state import CheckState, PodReport, next_state
from omnia_operator.pod_checks.watch import PodChecks

__all__ = [
    "BUDGET_CHECK",
    "EVAL_BUDGET_CHECK",
    "STORE_CHECK",
    "WORKER_BUDGET_CHECK",
    "CheckState",
    "PodCheck",
    "PodChecks",
    "PodHealth",
    "PodReport",
    "next_state",
]
