"""What the facade counts. Nothing is counted per streamed chunk."""

from prometheus_client import CollectorRegistry

from omnia_facade.entrance.rejections import Rejection
from omnia_facade.metrics.media import MediaMetrics, VoiceMetrics
from omnia_facade.metrics.series import DURATION_BUCKETS, LATENCY_BUCKETS, WAIT_BUCKETS, Series
from omnia_facade.turns.relayed import InterruptedAnswerOutcome

__all__ = ["Metrics"]

_STATUS = {True: "success", False: "error"}


class Metrics:
    """The series of one agent, ready to be counted up."""

    def __init__(self, registry: CollectorRegistry, *, agent: str, namespace: str) -> None:
        series = self._series = Series(registry, agent, namespace)
        self.media = MediaMetrics(series)
        self.voice = VoiceMetrics(series)
        self.connections_active = series.gauge(
            "omnia_agent_connections_active", "WebSocket connections that are open."
        )
        self.connections = series.counter(
            "omnia_agent_connections_total", "WebSocket connections that were opened."
        )
        self.sessions_active = series.gauge(
            "omnia_agent_sessions_active", "Sessions announced on the connections that are open."
        )
        self.requests_inflight = series.gauge(
            "omnia_agent_requests_inflight", "Turns and function calls that are being answered."
        )
        self.messages_received = series.counter(
            "omnia_agent_messages_received_total", "Text messages that clients sent."
        )
        self.messages_sent = series.counter(
            "omnia_agent_messages_sent_total", "Frames sent to clients."
        )
        self._messages_rate_limited = series.counter(
            "omnia_facade_control_messages_ratelimited_total",
            "Text messages that were refused for their rate.",
        )
        self.unauthenticated = series.gauge(
            "omnia_facade_unauthenticated", "1 where requests need no credential, else 0."
        )
        self._requests = series.counters(
            "omnia_agent_requests_total",
            "Turns and function calls, by outcome.",
            "status",
            _STATUS.values(),
        )
        self._duration = series.histograms(
            "omnia_agent_request_duration_seconds",
            "Time from the beginning of a turn or function call to its end.",
            DURATION_BUCKETS,
            "handler",
        )
        self._first_chunk = series.histogram(
            "omnia_agent_time_to_first_chunk_seconds",
            "Time from a message to the first chunk of its answer.",
            LATENCY_BUCKETS,
        )
        self._queue_wait = series.histogram(
            "omnia_agent_queue_wait_seconds",
            "Time that a message waited for those before it.",
            WAIT_BUCKETS,
        )
        self.kept_answers = series.counters(
            "omnia_facade_kept_answers_total",
            "Answers that the runtime did not end, by what the session store has of them.",
            "outcome",
            InterruptedAnswerOutcome,
        )
        self._rejections = series.counters(
            "omnia_facade_rejections_total",
            "Requests and messages that were refused, by reason.",
            "reason",
            Rejection,
        )

    def sessions_kept(self, mode: str) -> None:
        """Note who keeps the sessions."""
        self._series.labelled(
            "omnia_agent_session_store", "Always 1; `mode` says who keeps sessions.", "mode", mode
        ).set(1)

    def request_ended(self, handler: str, seconds: float, *, success: bool) -> None:
        """Count a turn or function call that has ended."""
        self._requests[_STATUS[success]].inc()
        self._duration.observe(handler, seconds)

    def first_chunk(self, seconds: float) -> None:
        """Note how long a message waited for the beginning of its answer."""
        self._first_chunk.observe(seconds)

    def waited(self, seconds: float) -> None:
        """Note how long a message waited for its turn."""
        self._queue_wait.observe(seconds)

    def message_rate_limited(self) -> None:
        """Count a text message that came too fast."""
        self._messages_rate_limited.inc()
        self.rejected(Rejection.MESSAGE_RATE)

    def rejected(self, reason: Rejection) -> None:
        """Count what was refused."""
        self._rejections[reason].inc()
