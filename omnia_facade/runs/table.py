"""The runs of a pod: found by id and by session, limited, forgotten some time after their end."""

import asyncio
from collections import deque
from collections.abc import Iterator

from msgspec import Struct

from omnia_facade.runs.log import LogBudget
from omnia_facade.runs.run import Run

# Runs of a session that wait for those before them, for doors whose runs wait.
MAX_WAITING = 8


class RunLimits(Struct, frozen=True, kw_only=True):
    """The limits of a pod.

    Attributes:
        runs: that go on at the same time.
        log_bytes: of all logs together; the oldest ended runs lose theirs first.
        kept_seconds: how long a run can be read again after its end.
        ended: runs that have ended and are remembered.
    """

    runs: int = 500
    log_bytes: int = 64 << 20
    kept_seconds: float = 300.0
    ended: int = 10_000


class RunTable:
    """Knows the runs of this pod. A run belongs to its user: others do not find it.

    Attributes:
        draining: no run may begin.
        budget: the memory of the logs.
    """

    def __init__(self, limits: RunLimits) -> None:
        self.draining = False
        self.budget = LogBudget(limits.log_bytes, self._limit_logs)
        self._limits = limits
        self._runs: dict[str, Run] = {}
        self._sessions: dict[tuple[str, str], deque[Run]] = {}
        self._active: dict[str, Run] = {}
        self._ended: deque[tuple[Run, asyncio.TimerHandle]] = deque()

    @property
    def full(self) -> bool:
        """Whether no more runs may begin."""
        return len(self._active) >= self._limits.runs

    @property
    def active(self) -> int:
        """The runs that have not ended."""
        return len(self._active)

    def add(self, run: Run) -> None:
        """Add a run that has not begun."""
        self._runs[run.id] = self._active[run.id] = run
        self._sessions.setdefault((run.user_id, run.session_id), deque()).append(run)

    def ended(self, run: Run, kept_seconds: float | None = None) -> None:
        """Called when a run has ended: it is remembered for some time, and its log if it fits."""
        if self._active.pop(run.id, None) is None:
            return
        seconds = self._limits.kept_seconds if kept_seconds is None else kept_seconds
        timer = asyncio.get_running_loop().call_later(seconds, self._forget, run)
        self._ended.append((run, timer))
        while len(self._ended) > self._limits.ended:
            oldest, timer = self._ended.popleft()
            timer.cancel()
            self._forget(oldest)
        self._limit_logs()

    def find(self, run_id: str, user_id: str) -> Run | None:
        """Return a run of this user."""
        run = self._runs.get(run_id)
        return run if run is not None and run.user_id == user_id else None

    def of_session(self, session_id: str, user_id: str) -> Iterator[Run]:
        """Yield the runs of a session, the newest first."""
        yield from reversed(self._sessions.get((user_id, session_id), ()))

    def of_user(self, user_id: str) -> Iterator[Run]:
        """Yield the runs of a user, the oldest first."""
        return (run for run in tuple(self._runs.values()) if run.user_id == user_id)

    def current(self, session_id: str, user_id: str) -> Run | None:
        """Return the newest run of a session that has not ended."""
        runs = self.of_session(session_id, user_id)
        return next((run for run in runs if not run.state.final), None)

    async def drain(self, seconds: float) -> None:
        """Let the runs end, and interrupt those that do not in time.

        A run that waits for the client is interrupted too: the answer would come in a request,
        which is refused now.
        """
        self.draining = True
        if self._active:
            ends = [asyncio.ensure_future(run.rests()) for run in self._active.values()]
            await asyncio.wait(ends, timeout=seconds)
            for end in ends:
                end.cancel()
        for run in tuple(self._active.values()):
            run.interrupt()

    def _forget(self, run: Run) -> None:
        if self._runs.pop(run.id, None) is None:
            return
        run.forget_log()
        runs = self._sessions[run.user_id, run.session_id]
        runs.remove(run)
        if not runs:
            del self._sessions[run.user_id, run.session_id]
        while self._ended and self._ended[0][0].id not in self._runs:
            self._ended.popleft()

    def _limit_logs(self) -> None:
        for run, _ in self._ended:
            if not self.budget.exceeded:
                return
            run.forget_log()
