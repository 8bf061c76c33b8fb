"""The running turns of this process, which signals of other pods can cancel."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

import structlog

from omnia_core.sessions import StoreUnavailable
from omnia_core.sessions.signals import CANCEL, Signal, Signals

_BACKOFF_SECONDS, _BACKOFF_CAP_SECONDS = 0.5, 30.0

_log = structlog.get_logger()


class RunningTurn:
    """A turn that can be cancelled.

    Attributes:
        user_id: the sender of its message; "" when anonymous.
    """

    __slots__ = ("_cancel", "_length", "_wanted", "user_id")

    def __init__(self, user_id: str, cancel: Callable[[], None]) -> None:
        self.user_id = user_id
        self._cancel = cancel
        self._length: int | None = None
        self._wanted = set[int]()

    def cancel(self) -> None:
        """Cancel the turn, as a cancel message of its client does."""
        self._cancel()

    def stored(self, length: int) -> None:
        """Called when the user's message is stored; the session has `length` messages now."""
        self._length = length
        if length in self._wanted:
            self._cancel()

    def receive(self, signal: Signal) -> None:
        """Act on a signal, if it is for this turn and not for an earlier one."""
        if signal.kind != CANCEL:
            return
        if self._length is None:
            self._wanted.add(signal.length)
        elif signal.length == self._length:
            self._cancel()


class RunningTurns:
    """The turns by session. Signals are received only while there are turns, and a bit longer.

    A connection for signals that is lost is opened again, later after each failure; turns do not
    wait for it.
    """

    def __init__(self, signals: Signals | None) -> None:
        """Without `signals`, turns are cancelled in this process only."""
        self._signals = signals
        self._turns: dict[str, RunningTurn] = {}
        self._listener: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None

    @contextmanager
    def running(
        self, session_id: str, user_id: str, cancel: Callable[[], None]
    ) -> Iterator[RunningTurn]:
        """Let a turn be cancelled inside the block; a session has one at a time."""
        turn = self._turns[session_id] = RunningTurn(user_id, cancel)
        self._listen()
        try:
            yield turn
        finally:
            del self._turns[session_id]
            if not self._turns and self._signals:
                loop = asyncio.get_running_loop()
                self._idle = loop.call_later(self._signals.idle_seconds, self._stop)

    def get(self, session_id: str) -> RunningTurn | None:
        """Return the running turn of a session in this process."""
        return self._turns.get(session_id)

    async def send(self, signal: Signal) -> bool:
        """Send a signal to the other pods; False: no other pod sees the session.

        Raises:
            StoreUnavailable: the signal may not have been sent.
        """
        if self._signals is None:
            return False
        await self._signals.send(signal)
        return True

    async def close(self) -> None:
        """Receive no more signals."""
        if self._listener:
            self._stop()
            await asyncio.wait({self._listener})

    def _listen(self) -> None:
        if self._idle:
            self._idle.cancel()
            self._idle = None
        if self._signals and (self._listener is None or self._listener.done()):
            self._listener = asyncio.create_task(self._receive(self._signals))

    def _stop(self) -> None:
        if self._idle:
            self._idle.cancel()
            self._idle = None
        if self._listener:
            self._listener.cancel()

    async def _receive(self, signals: Signals) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                async with aclosing(signals.listen()) as listened:
                    async for signal in listened:
                        if turn := self._turns.get(signal.session_id):
                            turn.receive(signal)
            except StoreUnavailable as error:
                if failures == 0:
                    _log.warning("signals of other pods are not received", reason=error.message)
            except Exception:  # noqa: BLE001 - a lost connection costs only its signals
                _log.exception("signals of other pods are not received")
            lasted = time.monotonic() - began > _BACKOFF_CAP_SECONDS
            failures = 1 if lasted else failures + 1
            longest = min(_BACKOFF_CAP_SECONDS, _BACKOFF_SECONDS * 2**failures)
            await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - jitter
