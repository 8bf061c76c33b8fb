"""A bounded queue of spans, and the thread that sends them in batches.

Whoever puts a span never waits. An idle program's thread sleeps without waking up.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

import structlog

T = TypeVar("T")

LIMIT = 2048
# Encoding holds the interpreter's lock: small batches keep what a turn waits for it short.
BATCH = 64
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


class SpanQueue(Generic[T]):
    """Collects until there is a batch, or for a second."""

    def __init__(
        self,
        send: Callable[[Sequence[T]], None],
        counts: Counts,
        *,
        limit: int = LIMIT,
        delay: float = DELAY_SECONDS,
        retries: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        """Start the thread.

        Args:
            send: sends a batch, in the thread; raises NotSent.
            counts: is told how it went.
            limit: of spans that wait; more are dropped.
            delay: seconds that a span waits for others.
            retries: seconds before each further attempt with a batch.
        """
        self._send = send
        self._counts = counts
        self._limit = limit
        self._delay = delay
        self._retries = tuple(retries)
        self._waiting: deque[T] = deque()
        self._some = threading.Event()
        self._enough = threading.Event()
        self._closing = threading.Event()
        self._warned = -WARN_SECONDS
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def put(self, span: T) -> None:
        """Take a span; it is dropped when too many wait."""
        if len(self._waiting) >= self._limit:
            self._counts.dropped(1, "queue_full")
            return
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
                self._deliver([self._waiting.popleft() for _ in range(self._size())])

    def _size(self) -> int:
        return min(BATCH, len(self._waiting))

    def _deliver(self, batch: Sequence[T]) -> None:
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
