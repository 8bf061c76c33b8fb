"""Counts and times reconciliations, under the names of controller-runtime.

Source: https://book.kubebuilder.io/reference/metrics-reference
"""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Histogram

from omnia_operator.cluster.kinds import CUSTOM, ObjectKind

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Buckets of the histograms of the operator."""


class ReconcileResult(StrEnum):
    """What came of a reconciliation."""

    SUCCESS = "success"
    REQUEUE = "requeue"
    """It is tried again, with a growing delay: something that it needs is missing."""
    REQUEUE_AFTER = "requeue_after"
    """It is done again after a time, such as the next step of a canary."""
    ERROR = "error"


def controller_of(kind: ObjectKind) -> str:
    """Return the label `controller`: the kind in lower case, as in controller-runtime."""
    return kind.name.lower()


class ReconcileMetrics:
    """Counts and times reconciliations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._total = Counter(
            "controller_runtime_reconcile_total",
            "Reconciliations, by result: success, requeue, requeue_after or error.",
            ["controller", "result"],
            registry=registry,
        )
        self._errors = Counter(
            "controller_runtime_reconcile_errors_total",
            "Reconciliations that ended with an error.",
            ["controller"],
            registry=registry,
        )
        self._seconds = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Duration of a reconciliation.",
            ["controller"],
            buckets=SECONDS,
            registry=registry,
        )
        self._corrections = Counter(
            "omnia_operator_drift_corrections",
            "Objects of agents that were put back after somebody else changed them.",
            ["kind"],
            registry=registry,
        )
        for kind in CUSTOM:
            for result in ReconcileResult:
                self._total.labels(controller_of(kind), result)
            self._errors.labels(controller_of(kind))

    def reconciled(self, kind: ObjectKind, result: ReconcileResult, seconds: float) -> None:
        """Count a reconciliation that has ended."""
        controller = controller_of(kind)
        self._total.labels(controller, result).inc()
        self._seconds.labels(controller).observe(seconds)
        if result is ReconcileResult.ERROR:
            self._errors.labels(controller).inc()

    def corrected(self, kind: ObjectKind) -> None:
        """Count an object that was put back."""
        self._corrections.labels(kind.name).inc()
