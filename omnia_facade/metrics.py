"""What the facade counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

DURATION_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120)
_CONSTANT = ("agent", "namespace")


class Metrics:
    """The series of one agent, ready to be counted up."""

    def __init__(self, registry: CollectorRegistry, *, agent: str, namespace: str) -> None:
        constant = (agent, namespace)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, _CONSTANT, registry=registry).labels(*constant)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, _CONSTANT, registry=registry).labels(*constant)

        self.connections_active = gauge(
            "omnia_agent_connections_active", "WebSocket connections that are open."
        )
        self.connections = counter(
            "omnia_agent_connections_total", "WebSocket connections that were opened."
        )
        self.sessions_active = gauge(
            "omnia_agent_sessions_active", "Sessions in use on open connections."
        )
        self.requests_inflight = gauge(
            "omnia_agent_requests_inflight", "Turns and function calls that are being answered."
        )
        self.messages_received = counter(
            "omnia_agent_messages_received_total", "Frames that clients sent."
        )
        self.messages_sent = counter("omnia_agent_messages_sent_total", "Frames sent to clients.")
        self.unauthenticated = gauge(
            "omnia_facade_unauthenticated", "1 where requests need no credential, else 0."
        )
        requests = Counter(
            "omnia_agent_requests_total",
            "Turns and function calls, by outcome.",
            (*_CONSTANT, "status"),
            registry=registry,
        )
        self._requests = {
            True: requests.labels(*constant, "success"),
            False: requests.labels(*constant, "error"),
        }
        self._duration = Histogram(
            "omnia_agent_request_duration_seconds",
            "Time from a message to the end of its answer.",
            (*_CONSTANT, "handler"),
            registry=registry,
            buckets=DURATION_BUCKETS,
        )
        self._constant = constant

    def request_ended(self, handler: str, seconds: float, *, success: bool) -> None:
        """Count a turn or function call that has ended."""
        self._requests[success].inc()
        self._duration.labels(*self._constant, handler).observe(seconds)
