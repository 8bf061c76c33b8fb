"""The operator's metrics."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counts reconciliations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reconciles = Counter(
            "omnia_operator_reconcile",
            "Reconciliations, by what came of them: ok, retry or error.",
            ["kind", "result"],
            registry=registry,
        )
        self.duration = Histogram(
            "omnia_operator_reconcile_duration_seconds",
            "How long a reconciliation took.",
            ["kind"],
            buckets=_BUCKETS,
            registry=registry,
        )


class Levels(Collector):
    """What is measured when it is asked for."""

    def __init__(self, depth: Callable[[], int], ages: Callable[[], Mapping[str, float]]) -> None:
        self._depth = depth
        self._ages = ages

    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield GaugeMetricFamily(
            "omnia_operator_queue_depth", "Resources that wait for a worker.", value=self._depth()
        )
        ages = GaugeMetricFamily(
            "omnia_operator_watch_age_seconds",
            "Time since a watch last showed that it is alive.",
            labels=["kind"],
        )
        for kind, age in sorted(self._ages().items()):
            ages.add_metric([kind], age)
        yield ages
