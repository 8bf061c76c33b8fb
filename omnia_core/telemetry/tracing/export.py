"""The export of ended spans: a bounded queue, counts of sent and dropped spans, and its log lines.

Nothing that happens here disturbs the work that is traced.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol, TypeAlias

import structlog
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from omnia_core.telemetry.tracing.names import EVALUATION_RESULT

# Spans with content are large: without a collector they must not fill the pod's memory.
QUEUE_BYTES = 16 * 1024 * 1024
# Collectors accept requests of 4 MiB, and a span that holds content has up to half a MiB.
BATCH_BYTES = 2 * 1024 * 1024
SPAN_BYTES = 1024
WARN_SECONDS = 60.0

DropReason: TypeAlias = Literal["queue_full", "not_sent"]

_log = structlog.get_logger()
_exporter_log = logging.getLogger("opentelemetry.exporter")


class SpanCounts(Protocol):
    """Counts what becomes of spans, from any thread."""

    def sent(self, spans: int) -> None:
        """Count spans that the collector accepted."""

    def dropped(self, spans: int, reason: DropReason) -> None:
        """Count spans that are lost."""


class Backlog:
    """The number and the size of the spans that wait in the queue."""

    def __init__(self, limit: int, limit_bytes: int = QUEUE_BYTES, *, content: bool = True) -> None:
        """Set the limits; without `content` spans are so small that they are not measured."""
        self.limit = limit
        self._content = content
        self._limit_bytes = limit_bytes
        self._spans = self._bytes = 0
        self._lock = threading.Lock()

    def size(self, span: ReadableSpan) -> int:
        """Return about the number of bytes that a span takes, by the length of its texts."""
        if not self._content:
            return SPAN_BYTES
        values = (span.attributes or {}).values()
        return SPAN_BYTES + sum(len(value) for value in values if isinstance(value, str))

    def add(self, size: int) -> bool:
        """Add a span; False when there is no room for it."""
        with self._lock:
            if self._spans >= self.limit or self._bytes + size > self._limit_bytes:
                return False
            self._spans += 1
            self._bytes += size
            return True

    def remove(self, sizes: Sequence[int]) -> None:
        """Remove spans that leave the queue."""
        with self._lock:
            self._spans -= len(sizes)
            self._bytes -= sum(sizes)


class BoundedSpanProcessor(BatchSpanProcessor):
    """The SDK's queue, bounded in bytes as well, which drops the newest spans when it is full."""

    def __init__(
        self,
        exporter: SpanExporter,
        backlog: Backlog,
        counts: SpanCounts,
    ) -> None:
        """Start the thread that exports.

        Raises:
            ValueError: an `OTEL_BSP_*` variable is invalid.
        """
        super().__init__(exporter, backlog.limit)
        self._backlog = backlog
        self._counts = counts

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._backlog.add(self._backlog.size(span)):
            super().on_end(span)
        else:
            self._counts.dropped(1, "queue_full")


class CountingExporter(SpanExporter):
    """Sends batches of a size that collectors accept, and counts the spans."""

    def __init__(
        self,
        exporter: SpanExporter,
        backlog: Backlog,
        counts: SpanCounts,
        *,
        content: bool = True,
    ) -> None:
        """Wrap an exporter.

        Args:
            exporter: sends a batch, with retries.
            backlog: what waits in the queue in front of this exporter.
            counts: counts the spans.
            content: whether spans may hold what people, models and tools say. Otherwise the texts
                of errors, which other instrumentation adds, are removed.
        """
        self._exporter = exporter
        self._backlog = backlog
        self._counts = counts
        self._content = content
        self._closed = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        sizes = [self._backlog.size(span) for span in spans]
        self._backlog.remove(sizes)
        if not self._content:
            spans = [_without_texts(span) for span in spans]
        results = [self._send(batch) for batch in _batches(spans, sizes)]
        return SpanExportResult.SUCCESS if all(results) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Give up what is being sent; the first call counts."""
        if not self._closed.is_set():
            self._closed.set()
            self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _send(self, batch: Sequence[ReadableSpan]) -> bool:
        sent = False
        try:
            if not self._closed.is_set():
                sent = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception:  # noqa: BLE001 - a span must not end the thread that exports
            _exporter_log.exception("the exporter raised")
        if sent:
            self._counts.sent(len(batch))
        else:
            self._counts.dropped(len(batch), "not_sent")
        return sent


def _without_texts(span: ReadableSpan) -> ReadableSpan:
    """Return the span without the texts of its errors; ours have none."""
    if not span.status.description and all(map(_has_no_text, span.events)):
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=[
            event if _has_no_text(event) else Event(event.name, None, event.timestamp)
            for event in span.events
        ],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _has_no_text(event: Event) -> bool:
    # The attributes of our own events hold content only where it is asked for.
    return not event.attributes or event.name == EVALUATION_RESULT


def _batches(
    spans: Sequence[ReadableSpan], sizes: Sequence[int]
) -> Iterator[Sequence[ReadableSpan]]:
    if sum(sizes) <= BATCH_BYTES:
        yield spans
        return
    batch: list[ReadableSpan] = []
    total = 0
    for span, size in zip(spans, sizes, strict=True):
        if batch and total + size > BATCH_BYTES:
            yield batch
            batch, total = [], 0
        batch.append(span)
        total += size
    yield batch


class SdkLogHandler(logging.Handler):
    """Writes what the SDK logs as lines of ours, each kind of line once a minute."""

    # Its messages quote the headers of OTEL_EXPORTER_OTLP_HEADERS, which are secret.
    _secret = "opentelemetry.util.re"  # noqa: S105 - the name of a module

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._written: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        exporter = record.name.startswith(_exporter_log.name)
        event = (
            "spans do not reach the collector" if exporter else "OpenTelemetry reports a problem"
        )
        kind = event if exporter else f"{record.name} {record.msg}"
        now = time.monotonic()
        if now - self._written.get(kind, -WARN_SECONDS) < WARN_SECONDS:
            return
        self._written[kind] = now
        reason = str(record.msg) if record.name == self._secret else record.getMessage()
        _log.warning(event, reason=reason, exc_info=record.exc_info)
