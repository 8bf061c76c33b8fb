"""The operator's metrics. What every controller has is named as controller-runtime names it."""

from omnia_operator.metrics.reconciling import ReconcileMetrics, ReconcileResult
from omnia_operator.metrics.requests import RequestMetrics
from omnia_operator.metrics.rollouts import RolloutGauges, rollout_statuses
from omnia_operator.metrics.scraped import (
    OperatorGauges,
    policy_agents,
    ready_agents,
    unmet_conditions,
)
from omnia_operator.metrics.work_queue import WorkQueueGauges, WorkQueueMetrics

__all__ = [
    "OperatorGauges",
    "ReconcileMetrics",
    "ReconcileResult",
    "RequestMetrics",
    "RolloutGauges",
    "WorkQueueGauges",
    "WorkQueueMetrics",
    "policy_agents",
    "ready_agents",
    "rollout_statuses",
    "unmet_conditions",
]
