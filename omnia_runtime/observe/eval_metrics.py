"""The Prometheus metrics of evaluations, wherever they run."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from omnia_core.sessions import EvalResult

_SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SECONDS = (0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30)


class EvalMetrics:
    """Counts results; every series has the labels agent and namespace."""

    def __init__(self, registry: CollectorRegistry, agent: str, namespace: str) -> None:
        self._const = {"agent": agent, "namespace": namespace}
        common = ("agent", "namespace", "eval_id", "variant")
        self._scores = Histogram(
            "omnia_eval_score", "Scores.", common, registry=registry, buckets=_SCORES
        )
        self._results = Counter(
            "omnia_evals_total",
            "Evaluations.",
            (*common, "outcome", "source"),
            registry=registry,
        )
        self._seconds = Histogram(
            "omnia_eval_duration_seconds",
            "Duration of an evaluation.",
            ("agent", "namespace", "eval_type"),
            registry=registry,
            buckets=_SECONDS,
        )

    def kept(self, result: EvalResult) -> None:
        """Count a result that is new; one without a score enters no histogram of scores."""
        common = {**self._const, "eval_id": result.evaluation, "variant": result.variant}
        self._results.labels(**common, outcome=result.outcome, source=result.source).inc()
        self._seconds.labels(**self._const, eval_type=result.type).observe(
            result.duration_ms / 1000
        )
        if result.score is not None:
            self._scores.labels(**common).observe(result.score)
