"""The Prometheus metrics of the worker of evaluations."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from omnia_core.sessions.feed import FeedBacklog
from omnia_runtime.evals.budget import JudgeBudget


class WorkerMetrics:
    """What waits to be evaluated; every series has the labels agent and namespace."""

    def __init__(self, registry: CollectorRegistry, agent: str, namespace: str) -> None:
        self._registry = registry
        self._labels = {"agent": agent, "namespace": namespace}
        self._backlog = self._gauge("omnia_eval_worker_backlog", "Sessions that are due.")
        self._lag = self._gauge(
            "omnia_eval_worker_lag_seconds",
            "How long the session has been due that has waited longest.",
        )
        self._failures = Counter(
            "omnia_eval_worker_failures_total",
            "Sessions whose evaluation failed for a reason that the log has.",
            tuple(self._labels),
            registry=registry,
        ).labels(**self._labels)

    def backlog(self, backlog: FeedBacklog) -> None:
        """Set what is due."""
        self._backlog.set(backlog.sessions)
        self._lag.set(backlog.oldest_seconds)

    def failed(self) -> None:
        """Count a session whose evaluation failed."""
        self._failures.inc()

    def budget(self, budget: JudgeBudget, usd_per_day: float | None) -> None:
        """Export what the judges cost, and its share of a limit, as of each scrape."""
        spent = self._gauge(
            "omnia_eval_budget_spent_usd",
            "What the judges of the agent have cost since midnight (UTC), in US dollars.",
        )
        spent.set_function(lambda: budget.usd_today)
        if usd_per_day is not None:
            ratio = self._gauge(
                "omnia_eval_budget_used_ratio",
                "The part of the budget of judges of this day that is spent, as last read.",
            )
            ratio.set_function(lambda: budget.usd_today / usd_per_day)

    def _gauge(self, name: str, about: str) -> Gauge:
        return Gauge(name, about, tuple(self._labels), registry=self._registry).labels(
            **self._labels
        )
