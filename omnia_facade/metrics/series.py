"""How series are made: each carries the agent and its namespace."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_CONSTANT = ("agent", "namespace")
T = TypeVar("T")

DURATION_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120)
LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
WAIT_BUCKETS = (0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 120)


class Series:
    """Makes the series of one agent, with their labels filled in."""

    def __init__(self, registry: CollectorRegistry, agent: str, namespace: str) -> None:
        self._registry = registry
        self._constant = (agent, namespace)

    def gauge(self, name: str, text: str) -> Gauge:
        """Return a gauge."""
        return Gauge(name, text, _CONSTANT, registry=self._registry).labels(*self._constant)

    def counter(self, name: str, text: str) -> Counter:
        """Return a counter."""
        return Counter(name, text, _CONSTANT, registry=self._registry).labels(*self._constant)

    def counters(self, name: str, text: str, label: str, values: Iterable[T]) -> dict[T, Counter]:
        """Return the counters of a label with a closed set of values, all there from the start."""
        made = Counter(name, text, (*_CONSTANT, label), registry=self._registry)
        return {value: made.labels(*self._constant, str(value)) for value in values}

    def labelled(self, name: str, text: str, label: str, value: str) -> Gauge:
        """Return a gauge with one more label."""
        made = Gauge(name, text, (*_CONSTANT, label), registry=self._registry)
        return made.labels(*self._constant, value)

    def histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        """Return a histogram of seconds."""
        made = Histogram(name, text, _CONSTANT, registry=self._registry, buckets=buckets)
        return made.labels(*self._constant)

    def histograms(self, name: str, text: str, buckets: Sequence[float], label: str) -> "Labelled":
        """Return a histogram of seconds with one more label."""
        made = Histogram(name, text, (*_CONSTANT, label), registry=self._registry, buckets=buckets)
        return Labelled(made, self._constant)


class Labelled:
    """A histogram that lacks the value of its last label."""

    def __init__(self, histogram: Histogram, constant: tuple[str, str]) -> None:
        self._histogram = histogram
        self._constant = constant

    def observe(self, value: str, seconds: float) -> None:
        """Note a time."""
        self._histogram.labels(*self._constant, value).observe(seconds)
