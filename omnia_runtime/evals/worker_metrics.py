"""The Prometheus metrics of the worker of evaluations."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from omnia_core.sessions.feed import FeedBacklog


class WorkerMetrics:
    """What waits to be evaluated; every series has the labels agent and namespace."""

    def __init__(self, registry: CollectorRegistry, agent: str, namespace: str) -> None:
        labels = {"agent": agent, "namespace": namespace}
        names = tuple(labels)
        self._backlog = Gauge(
            "omnia_eval_worker_backlog", "Sessions that are due.", names, registry=registry
        ).labels(**labels)
        self._lag = Gauge(
            "omnia_eval_worker_lag_seconds",
            "How long the session has been due that has waited longest.",
            names,
            registry=registry,
        ).labels(**labels)
        self._failures = Counter(
            "omnia_eval_worker_failures_total",
            "Sessions whose evaluation failed for a reason that the log has.",
            names,
            registry=registry,
        ).labels(**labels)
        self._spent = Gauge(
            "omnia_eval_budget_spent_usd",
            "What the judges of the agent have cost since midnight (UTC), in US dollars.",
            names,
            registry=registry,
        ).labels(**labels)

    def backlog(self, backlog: FeedBacklog) -> None:
        """Set what is due."""
        self._backlog.set(backlog.sessions)
        self._lag.set(backlog.oldest_seconds)

    def failed(self) -> None:
        """Count a session whose evaluation failed."""
        self._failures.inc()

    def spent(self, usd: float) -> None:
        """Set what the judges have cost today."""
        self._spent.set(usd)
