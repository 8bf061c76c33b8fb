"""The Prometheus metrics of evaluations."""

from collections.abc import Iterable
from typing import Any, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from omnia_core.files.evals.metrics import PREFIX
from omnia_core.files.pack.prompt import Metric
from omnia_core.sessions import EvalResult

_SCORES = tuple(tenth / 10 for tenth in range(1, 11))
_SECONDS = (0.0001, 0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30)
# The name of the stable variant in labels.
_STABLE = "stable"

M = TypeVar("M", Counter, Histogram)

_log = structlog.get_logger()


class EvalMetrics:
    """Counts results; every series has the labels agent and namespace.

    A result without a score enters no metric of scores.
    """

    def __init__(self, registry: CollectorRegistry, agent: str, namespace: str) -> None:
        self._registry = registry
        self._const = {"agent": agent, "namespace": namespace}
        self._declared: dict[str, Any] = {}
        self._series: dict[tuple[object, tuple[str, ...]], Any] = {}
        self._score = self._histogram(
            f"{PREFIX}score",
            "Scores of evaluations.",
            _SCORES,
            ("eval_id", "promptpack_name", "variant"),
        )
        self._total = self._counter(
            "omnia_evals_total",
            "Evaluations by what became of them.",
            ("eval_id", "outcome", "source", "variant"),
        )
        self._seconds = self._histogram(
            f"{PREFIX}duration_seconds", "Duration of an evaluation.", _SECONDS, ("eval_type",)
        )
        self._dropped = self._counter(
            f"{PREFIX}dropped_total", "Evaluations that were not run, or not kept.", ("reason",)
        ).labels

    def recorded(self, result: EvalResult, pack_id: str, metric: Metric | None = None) -> None:
        """Count a result; `metric` is the one that the pack declares for the evaluation."""
        name, variant = result.evaluation, result.variant or _STABLE
        self._series_of(self._total, name, result.outcome, result.source, variant).inc()
        self._series_of(self._seconds, result.type).observe(result.duration_ms / 1000)
        if result.score is None:
            return
        self._series_of(self._score, name, pack_id, variant).observe(result.score)
        if metric is not None:
            self._record_declared(metric, result, result.score)

    def dropped(self, reason: str, count: int) -> None:
        """Count evaluations that were not run (`queue`), or whose results were lost (`store`)."""
        self._dropped(*self._const.values(), reason).inc(count)

    def _series_of(self, metric: M, *labels: str) -> M:
        """Return a series. This cache takes a tenth of the time of the library's lookup."""
        found: M | None = self._series.get((metric, labels))
        if found is None:
            found = self._series[metric, labels] = metric.labels(*self._const.values(), *labels)
        return found

    def _record_declared(self, metric: Metric, result: EvalResult, score: float) -> None:
        if metric.name not in self._declared:
            self._declared[metric.name] = self._register(metric)
        registered = self._declared[metric.name]
        if registered is None:
            return
        values = {**self._const, "variant": result.variant or _STABLE, **metric.labels}
        try:
            series = registered.labels(**values)
        except ValueError:
            # Validation names two evaluations that have one metric with different labels.
            return
        if metric.type == "counter":
            series.inc(score)
        elif metric.type == "histogram":
            series.observe(score)
        elif metric.type == "boolean":
            series.set(float(score >= 1 if result.passed is None else result.passed))
        else:
            series.set(score)

    def _register(self, metric: Metric) -> Counter | Gauge | Histogram | None:
        """Register a metric of the pack; None if its name or its labels cannot be."""
        name, about = f"{PREFIX}{metric.name}", "Declared by an evaluation of the PromptPack."
        labels = ("variant", *metric.labels)
        try:
            match metric.type:
                case "counter":
                    return self._counter(name, about, labels)
                case "histogram":
                    return self._histogram(name, about, _SCORES, labels)
                case _:
                    return Gauge(name, about, (*self._const, *labels), registry=self._registry)
        except ValueError as error:
            _log.warning("a metric of the pack is not exported", metric=name, reason=str(error))
            return None

    def _counter(self, name: str, about: str, labels: Iterable[str]) -> Counter:
        return Counter(name, about, (*self._const, *labels), registry=self._registry)

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...], labels: Iterable[str]
    ) -> Histogram:
        return Histogram(
            name, about, (*self._const, *labels), registry=self._registry, buckets=buckets
        )
