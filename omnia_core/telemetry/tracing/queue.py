"""A bounded queue of encoded spans, and the thread that sends them in batches.

Whoever puts a span never waits. An idle program's thread sleeps without waking up.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import structlog

LIMIT = 2048
# Spans with content are large: without a collector they must not fill the pod's memory.
LIMIT_BYTES = 16 * 1024 * 1024
# A request costs as much as a hundred spans. Collectors take one of 4 MiB, and a span that holds
# content has up to half a MiB.
BATCH = 512
BATCH_BYTES = 2 * 1024 * 1024
DELAY_SECONDS = 1.0
# What a batch that the collector did not take is kept for.
RETRY_SECONDS = (1.0, 2.0, 4.0)
WARN_SECONDS = 60.0

Dropped: TypeAlias = Literal["queue_full", "not_sent"]

_log = structlog.get_logger()


class NotSent(Exception):
    """A batch did not arrive.

    Attributes:
        retry: whether it may at another attempt.
    """

    def __init__(self, reason: str, *, retry: bool) -> None:
        super().__init__(reason)
        self.retry = retry


class Counts(Protocol):
    """Is told what becomes of spans, from any thread."""

    def sent(self, spans: int) -> None:
        """Count spans that arrived."""

    def dropped(self, spans: int, why: Dropped) -> None:
        """Count spans that are lost."""


class SpanQueue:
    """Collects until there is a batch, or for a second."""

    def __init__(
        self,
        send: Callable[[Sequence[bytes]], None],
        counts: Counts,
        *,
        limit: int = LIMIT,
        limit_bytes: int = LIMIT_BYTES,
        delay: float = DELAY_SECONDS,
        retries: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        """Start the thread.

        Args:
            send: sends a batch, in the thread; raises NotSent.
            counts: is told how it went.
            limit: of spans that wait; more are dropped.
            limit_bytes: of the same, all together.
            delay: seconds that a span waits for others.
            retries: seconds before each further attempt with a batch.
        """
        self._send = send
        self._counts = counts
        self._limit, self._limit_bytes = limit, limit_bytes
        # One thread writes each: together they say how much waits.
        self._put_bytes = self._taken_bytes = 0
        self._delay = delay
        self._retries = tuple(retries)
        self._waiting: deque[bytes] = deque()
        self._some = threading.Event()
        self._enough = threading.Event()
        self._closing = threading.Event()
        self._warned = -WARN_SECONDS
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def put(self, span: bytes) -> None:
        """Take a span, always from the same thread; it is dropped when too many wait."""
        waiting = self._put_bytes - self._taken_bytes
        if len(self._waiting) >= self._limit or waiting + len(span) > self._limit_bytes:
            self._counts.dropped(1, "queue_full")
            return
        self._put_bytes += len(span)
        self._waiting.append(span)
        # after the span is there: the thread looks for spans once it has cleared an event
        if not self._some.is_set():
            self._some.set()
        if len(self._waiting) >= BATCH and not self._enough.is_set():
            self._enough.set()

    def close(self, seconds: float) -> None:
        """Send what waits, for `seconds` at most; what is left then is dropped."""
        self._closing.set()
        self._some.set()
        self._enough.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while self._waiting or not self._closing.is_set():
            self._some.wait()
            self._enough.wait(self._delay)
            self._some.clear()
            self._enough.clear()
            while self._waiting:
                self._deliver(self._batch())

    def _batch(self) -> list[bytes]:
        batch = [self._waiting.popleft()]
        size = len(batch[0])
        while self._waiting and len(batch) < BATCH:
            size += len(self._waiting[0])
            if size > BATCH_BYTES:
                break
            batch.append(self._waiting.popleft())
        self._taken_bytes += sum(map(len, batch))
        return batch

    def _deliver(self, batch: Sequence[bytes]) -> None:
        for wait in (*self._retries, None):
            try:
                self._send(batch)
            except NotSent as error:
                self._warn(str(error))
                if wait is None or not error.retry or self._closing.wait(wait):
                    break
            except Exception as error:  # noqa: BLE001 - tracing never ends what it traces
                self._warn(type(error).__name__)
                break
            else:
                self._counts.sent(len(batch))
                return
        self._counts.dropped(len(batch), "not_sent")

    def _warn(self, reason: str) -> None:
        now = time.monotonic()
        if now - self._warned >= WARN_SECONDS:
            self._warned = now
            _log.warning("spans do not reach the collector", reason=reason)
