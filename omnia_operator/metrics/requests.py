"""Counts and times requests to the API server, under the names of client-go.

Source: k8s.io/component-base/metrics/prometheus/restclient
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

from omnia_operator.cluster.client import RequestObserver
from omnia_operator.metrics.reconciling import SECONDS


class RequestMetrics(RequestObserver):
    """Counts and times requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "rest_client_requests_total",
            "Requests to the API server, by status code; <error> for one without an answer.",
            ["code", "method", "host"],
            registry=registry,
        )
        self._seconds = Histogram(
            "rest_client_request_duration_seconds",
            "Time from a request to the head of its answer.",
            ["verb", "host"],
            buckets=SECONDS,
            registry=registry,
        )

    def answered(self, method: str, host: str, status: int, seconds: float) -> None:
        self._requests.labels(str(status), method, host).inc()
        self._seconds.labels(method, host).observe(seconds)

    def failed(self, method: str, host: str) -> None:
        self._requests.labels("<error>", method, host).inc()
