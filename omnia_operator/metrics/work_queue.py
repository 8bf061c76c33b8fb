"""The metrics of the work queue, under the names of client-go and controller-runtime.

Source: https://book.kubebuilder.io/reference/metrics-reference
"""

import time
from collections import Counter as Numbers
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from omnia_operator.cluster.kinds import CUSTOM, ObjectKind
from omnia_operator.metrics.reconciling import SECONDS, controller_of
from omnia_operator.references import ObjectReference
from omnia_operator.scheduling.queue import QueueObserver

_LABELS = ["name", "controller"]
Since = Mapping[ObjectReference, float]
"""Objects, and since when by `time.monotonic`."""


class WorkQueueMetrics(QueueObserver):
    """Counts and times what is queued; each kind is a queue, as in controller-runtime."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._adds = Counter(
            "workqueue_adds_total", "Objects that were queued.", _LABELS, registry=registry
        )
        self._retries = Counter(
            "workqueue_retries_total",
            "Objects that were queued again after a failure.",
            _LABELS,
            registry=registry,
        )
        self._waited = Histogram(
            "workqueue_queue_duration_seconds",
            "Time that an object waited for a worker.",
            _LABELS,
            buckets=SECONDS,
            registry=registry,
        )
        self._worked = Histogram(
            "workqueue_work_duration_seconds",
            "Time that a worker was busy with an object.",
            _LABELS,
            buckets=SECONDS,
            registry=registry,
        )
        for kind in CUSTOM:
            for metric in (self._adds, self._retries, self._waited, self._worked):
                metric.labels(*_names(kind))

    def added(self, kind: ObjectKind) -> None:
        self._adds.labels(*_names(kind)).inc()

    def started(self, kind: ObjectKind, waited: float) -> None:
        self._waited.labels(*_names(kind)).observe(waited)

    def ended(self, kind: ObjectKind, seconds: float) -> None:
        self._worked.labels(*_names(kind)).observe(seconds)

    def retried(self, kind: ObjectKind) -> None:
        self._retries.labels(*_names(kind)).inc()


class WorkQueueGauges(Collector):
    """Gauges of the work queue, computed when they are scraped."""

    def __init__(self, waiting: Callable[[], Since], running: Callable[[], Since]) -> None:
        """Take the sources: the objects that wait for a worker, and those that have one.

        They are called from another thread.
        """
        self._waiting = waiting
        self._running = running

    def collect(self) -> Iterable[GaugeMetricFamily]:
        now = time.monotonic()
        depth = Numbers(item.kind for item in self._waiting())
        running: dict[ObjectKind, list[float]] = {kind: [] for kind in CUSTOM}
        for item, since in self._running().items():
            running[item.kind].append(now - since)
        yield _gauges(
            "workqueue_depth",
            "Objects that wait for a worker.",
            {kind: depth[kind] for kind in CUSTOM},
        )
        yield _gauges(
            "workqueue_unfinished_work_seconds",
            "Time that the busy workers have spent on their present objects, together.",
            {kind: sum(times) for kind, times in running.items()},
        )
        yield _gauges(
            "workqueue_longest_running_processor_seconds",
            "Time that the worker that is busy for longest has spent on its object.",
            {kind: max(times, default=0.0) for kind, times in running.items()},
        )


def _names(kind: ObjectKind) -> tuple[str, str]:
    return controller_of(kind), controller_of(kind)


def _gauges(name: str, about: str, values: Mapping[ObjectKind, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=_LABELS)
    for kind, value in values.items():
        family.add_metric(_names(kind), value)
    return family
