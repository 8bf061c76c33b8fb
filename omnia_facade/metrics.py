"""The metrics of the facade. Nothing is counted per streamed chunk."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from omnia_core.names import CONSOLE_DOOR, Door, Variant
from omnia_core.telemetry.buckets import DURATION_SECONDS, FIRST_CHUNK_SECONDS
from omnia_facade.entrance.errors import Rejection
from omnia_facade.rollout.peer_door import REFUSAL_REASONS
from omnia_facade.runtime_client.routed import STEP_IN_REASONS
from omnia_facade.turns.relayed import InterruptedAnswerOutcome

_UPLOAD_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120)
WAIT_BUCKETS = (0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 120)
_INGEST_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1)

_RUN_STATES = ("submitted", "working", "waiting")
_AGENT_LABELS = ("agent", "namespace")
_REQUEST_STATUS = {True: "success", False: "error"}
_TRANSFER_STATUS = {True: "success", False: "failed"}

T = TypeVar("T")


class MetricFactory:
    """Makes metrics with the labels of one agent."""

    def __init__(self, registry: CollectorRegistry, agent: str, namespace: str) -> None:
        self._registry = registry
        self._labels = (agent, namespace)

    def gauge(self, name: str, text: str) -> Gauge:
        """Return a gauge."""
        return Gauge(name, text, _AGENT_LABELS, registry=self._registry).labels(*self._labels)

    def counter(self, name: str, text: str) -> Counter:
        """Return a counter."""
        return Counter(name, text, _AGENT_LABELS, registry=self._registry).labels(*self._labels)

    def counters(self, name: str, text: str, label: str, values: Iterable[T]) -> dict[T, Counter]:
        """Return the counters of a label by its values, which all exist from the start."""
        made = Counter(name, text, (*_AGENT_LABELS, label), registry=self._registry)
        return {value: made.labels(*self._labels, str(value)) for value in values}

    def gauges(self, name: str, text: str, label: str, values: Iterable[T]) -> dict[T, Gauge]:
        """Return the gauges of a label by its values, which all exist from the start."""
        made = Gauge(name, text, (*_AGENT_LABELS, label), registry=self._registry)
        return {value: made.labels(*self._labels, str(value)) for value in values}

    def labelled(self, name: str, text: str, label: str, value: str) -> Gauge:
        """Return a gauge with one more label."""
        made = Gauge(name, text, (*_AGENT_LABELS, label), registry=self._registry)
        return made.labels(*self._labels, value)

    def histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        """Return a histogram of seconds."""
        made = Histogram(name, text, _AGENT_LABELS, registry=self._registry, buckets=buckets)
        return made.labels(*self._labels)

    def labelled_counter(self, name: str, text: str, *labels: str) -> "_LabelledCounter":
        """Return a counter with more labels."""
        made = Counter(name, text, (*_AGENT_LABELS, *labels), registry=self._registry)
        return _LabelledCounter(made, self._labels)

    def histograms(
        self, name: str, text: str, buckets: Sequence[float], *labels: str
    ) -> "_LabelledHistogram":
        """Return a histogram of seconds with more labels."""
        made = Histogram(
            name, text, (*_AGENT_LABELS, *labels), registry=self._registry, buckets=buckets
        )
        return _LabelledHistogram(made, self._labels)


class _LabelledCounter:
    """A counter whose last labels are set with each increment."""

    def __init__(self, counter: Counter, constant: tuple[str, str]) -> None:
        self._counter = counter
        self._labels = constant

    def of(self, *values: str) -> Counter:
        """Return the counter of these values, which exists from then on."""
        return self._counter.labels(*self._labels, *values)


class _LabelledHistogram:
    """A histogram whose last labels are set with each observation."""

    def __init__(self, histogram: Histogram, constant: tuple[str, str]) -> None:
        self._histogram = histogram
        self._labels = constant

    def observe(self, seconds: float, *values: str) -> None:
        """Record a time."""
        self._histogram.labels(*self._labels, *values).observe(seconds)


class FacadeMetrics:
    """The metrics of one agent."""

    def __init__(self, registry: CollectorRegistry, *, agent: str, namespace: str) -> None:
        factory = self._factory = MetricFactory(registry, agent, namespace)
        self.media = MediaMetrics(factory)
        self.voice = VoiceMetrics(factory)
        self.doors = DoorMetrics(factory)
        self.connections_active = factory.gauge(
            "omnia_agent_connections_active", "WebSocket connections that are open."
        )
        self.connections = factory.counter(
            "omnia_agent_connections_total", "WebSocket connections that were opened."
        )
        self.sessions_active = factory.gauge(
            "omnia_agent_sessions_active", "Sessions announced on the connections that are open."
        )
        self.requests_inflight = factory.gauge(
            "omnia_agent_requests_inflight", "Turns and function calls that are being answered."
        )
        self.messages_received = factory.counter(
            "omnia_agent_messages_received_total", "Text messages that clients sent."
        )
        self.messages_sent = factory.counter(
            "omnia_agent_messages_sent_total", "Frames sent to clients."
        )
        self._messages_rate_limited = factory.counter(
            "omnia_facade_control_messages_ratelimited_total",
            "Text messages that were refused for their rate.",
        )
        self.unauthenticated = factory.gauge(
            "omnia_facade_unauthenticated", "1 where requests need no credential, else 0."
        )
        self._rejections = factory.counters(
            "omnia_facade_rejections_total",
            "Requests and messages that were refused, by reason.",
            "reason",
            Rejection,
        )
        self._add_requests(factory)

    def _add_requests(self, factory: MetricFactory) -> None:
        self._requests = factory.labelled_counter(
            "omnia_agent_requests_total",
            "Turns and function calls, by outcome and by the side of a rollout that answered.",
            "status",
            "variant",
        )
        for status in _REQUEST_STATUS.values():
            self._requests.of(status, Variant.STABLE)
        self._duration = factory.histograms(
            "omnia_agent_request_duration_seconds",
            "Time from the beginning of a turn or function call to its end.",
            DURATION_SECONDS,
            "handler",
            "variant",
        )
        self._first_chunk = factory.histograms(
            "omnia_agent_time_to_first_chunk_seconds",
            "Time from a message to the first chunk of its answer.",
            FIRST_CHUNK_SECONDS,
            "variant",
        )
        self.stepped_in = factory.counters(
            "omnia_rollout_stepped_in_total",
            "Requests for the candidate of a rollout that stable answered, as it was unreachable.",
            "reason",
            STEP_IN_REASONS,
        )
        self.peers_refused = factory.counters(
            "omnia_rollout_peers_refused_total",
            "Connections of facades that the pod did not let in.",
            "reason",
            REFUSAL_REASONS,
        )
        self._queue_wait = factory.histogram(
            "omnia_agent_queue_wait_seconds",
            "Time that a message waited for those before it.",
            WAIT_BUCKETS,
        )
        self.kept_answers = factory.counters(
            "omnia_facade_kept_answers_total",
            "Answers that the runtime did not end, by what the session store has of them.",
            "outcome",
            InterruptedAnswerOutcome,
        )

    def session_store(self, mode: str) -> None:
        """Report where sessions are stored: `mode` is "runtime" or "pod"."""
        self._factory.labelled(
            "omnia_agent_session_store",
            "Always 1; `mode` is where sessions are stored.",
            "mode",
            mode,
        ).set(1)

    def request_ended(self, handler: str, seconds: float, *, success: bool, variant: str) -> None:
        """Count a turn or function call that has ended; `variant` is the side that answered."""
        self._requests.of(_REQUEST_STATUS[success], variant).inc()
        self._duration.observe(seconds, handler, variant)

    def first_chunk(self, seconds: float, variant: str) -> None:
        """Record the time from a message to the first chunk of its answer."""
        self._first_chunk.observe(seconds, variant)

    def waited(self, seconds: float) -> None:
        """Record the time that a message waited for its turn."""
        self._queue_wait.observe(seconds)

    def message_rate_limited(self) -> None:
        """Count a text message that was rejected for its rate."""
        self._messages_rate_limited.inc()
        self.rejected(Rejection.MESSAGE_RATE)

    def rejected(self, reason: Rejection) -> None:
        """Count a rejected request or message."""
        self._rejections[reason].inc()


class DoorMetrics:
    """Metrics of the doors: requests and streams by door, runs by state.

    Attributes:
        resumed: streams of runs that another request began.
    """

    def __init__(self, factory: MetricFactory) -> None:
        self._requests = {
            status: factory.counters(
                f"omnia_facade_door_{status}_total", text, "door", (*map(str, Door), CONSOLE_DOOR)
            )
            for status, text in (
                ("requests", "Requests at the doors, answered in any way."),
                ("errors", "Requests at the doors that were answered with an error status."),
            )
        }
        self._streams = factory.gauges(
            "omnia_facade_door_streams_open",
            "Event streams that are open.",
            "door",
            tuple(map(str, Door)),
        )
        self._runs = factory.gauges(
            "omnia_facade_runs", "Turns of the doors that have not ended.", "state", _RUN_STATES
        )
        self.resumed = factory.counter(
            "omnia_facade_runs_resumed_total", "Streams of a turn that another request began."
        )

    def answered(self, door: str, *, success: bool) -> None:
        """Count a request."""
        self._requests["requests"][door].inc()
        if not success:
            self._requests["errors"][door].inc()

    def stream(self, door: str) -> Gauge:
        """Return the number of open streams of a door."""
        return self._streams[door]

    def run_changed(self, before: str, after: str) -> None:
        """Count a run in its new state; a state that is final, or "", is not counted."""
        if before in self._runs:
            self._runs[before].dec()
        if after in self._runs:
            self._runs[after].inc()


class MediaMetrics:
    """Metrics of uploads and downloads, over HTTP or WebSocket."""

    def __init__(self, factory: MetricFactory) -> None:
        self._uploads = factory.counters(
            "omnia_facade_uploads_total",
            "Uploads, by outcome.",
            "status",
            _TRANSFER_STATUS.values(),
        )
        self._upload_bytes = factory.counter(
            "omnia_facade_upload_bytes_total", "Bytes of uploads that succeeded."
        )
        self._upload_seconds = factory.histogram(
            "omnia_facade_upload_duration_seconds", "Time of an upload.", _UPLOAD_BUCKETS
        )
        self._downloads = factory.counters(
            "omnia_facade_downloads_total",
            "Downloads, by outcome.",
            "status",
            _TRANSFER_STATUS.values(),
        )
        self._download_bytes = factory.counter(
            "omnia_facade_download_bytes_total", "Bytes of downloads that succeeded."
        )

    def uploaded(self, size: int, seconds: float, *, success: bool) -> None:
        """Count an upload that has ended; `size` is in bytes."""
        self._uploads[_TRANSFER_STATUS[success]].inc()
        self._upload_seconds.observe(seconds)
        if success:
            self._upload_bytes.inc(size)

    def downloaded(self, size: int, *, success: bool) -> None:
        """Count a download that has ended; `size` is in bytes."""
        self._downloads[_TRANSFER_STATUS[success]].inc()
        if success:
            self._download_bytes.inc(size)


class VoiceMetrics:
    """Metrics of media that is streamed over WebSocket.

    Attributes:
        sessions_active: voice sessions that are open.
        frames_rate_limited: binary frames after which reading from a client was paused.
    """

    def __init__(self, factory: MetricFactory) -> None:
        self._chunks = factory.counters(
            "omnia_facade_media_chunks_total",
            "Pieces of media sent to clients, by kind of frame.",
            "type",
            ("json", "binary"),
        )
        self._chunk_bytes = factory.counter(
            "omnia_facade_media_chunk_bytes_total", "Bytes of media sent to clients."
        )
        self.frames_rate_limited = factory.counter(
            "omnia_facade_media_frames_ratelimited_total",
            "Binary frames after which a client was slowed down.",
        )
        self.sessions_active = factory.gauge(
            "omnia_facade_audio_sessions_active", "Voice sessions that are open."
        )
        self._frames = factory.counter(
            "omnia_facade_audio_frames_received_total", "Frames of audio that clients sent."
        )
        self._bytes = factory.counter(
            "omnia_facade_audio_bytes_received_total", "Bytes of audio that clients sent."
        )
        self._ingest_seconds = factory.histogram(
            "omnia_facade_audio_ingest_duration_seconds",
            "Time from a frame of audio to its delivery to the runtime.",
            _INGEST_BUCKETS,
        )

    def sent(self, size: int, *, binary: bool) -> None:
        """Count a piece of media that was sent to a client; `size` is in bytes."""
        self._chunks["binary" if binary else "json"].inc()
        self._chunk_bytes.inc(size)

    def received(self, size: int) -> None:
        """Count a frame of audio; `size` is in bytes."""
        self._frames.inc()
        self._bytes.inc(size)

    def delivered(self, seconds: float) -> None:
        """Record the time from a frame of audio to its delivery to the runtime."""
        self._ingest_seconds.observe(seconds)
