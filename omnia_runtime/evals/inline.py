"""Evaluates turns in the runtime, after their answers: what needs only the text and the calls.

No turn waits for it. What does not fit into the queue is dropped and counted.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog

from omnia_core.env import RuntimeEnv
from omnia_core.errors import OmniaError
from omnia_core.files.evals import EvalSpec
from omnia_core.files.evals.case_results import Evaluation
from omnia_core.names import EvalOutcome
from omnia_core.sessions import EvalResult, SessionStore
from omnia_core.sessions.audit import timestamp
from omnia_core.telemetry.tracing import SpanKind
from omnia_runtime.evals.evaluate import evaluate
from omnia_runtime.evals.facts import Facts, calls_in
from omnia_runtime.evals.pace import Pace
from omnia_runtime.evals.record import record
from omnia_runtime.evals.selection import Rates, of_turn
from omnia_runtime.evals.tracing import add_result
from omnia_runtime.observe.eval_metrics import EvalMetrics
from omnia_runtime.turns.ended import EndedTurn

# Evaluations that may wait.
MOST_WAITING = 1000
# The answer is sent in this time.
PAUSE_SECONDS = 0.02
# When results are written again that the store did not take.
RETRY_SECONDS = (0.5, 2.0, 8.0)
# The time for what waits when the runtime ends.
_CLOSE_SECONDS = 2.0

_log = structlog.get_logger()


class InlineEvals:
    """Evaluates turns one after another, in the background."""

    def __init__(self, store: SessionStore, metrics: EvalMetrics, rates: Rates, pace: Pace) -> None:
        """`pace` limits how many evaluations run in a second."""
        self._store = store
        self._metrics = metrics
        self._rates = rates
        self._pace = pace
        self._queue: deque[EndedTurn] = deque()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._dropping = False

    def submit(self, turn: EndedTurn) -> None:
        """Evaluate a turn later."""
        count = len(turn.agent.evals)
        if self._waiting + count > MOST_WAITING:
            self._drop("queue", count)
            return
        self._dropping = False
        self._waiting += count
        self._queue.append(turn)
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    async def drain(self) -> None:
        """Return when nothing waits."""
        while self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Evaluate shortly what waits, then drop the rest."""
        self._closing.set()
        task = self._task
        if task is not None:
            await asyncio.wait({task}, timeout=_CLOSE_SECONDS)
            task.cancel()
            await asyncio.wait({task})
        if self._waiting:
            self._drop("queue", self._waiting)

    async def _work(self) -> None:
        try:
            await asyncio.sleep(PAUSE_SECONDS)
            while self._queue:
                turn = self._queue[0]
                await self._keep(await self._evaluate(turn))
                self._queue.popleft()
                self._waiting -= len(turn.agent.evals)
                # Turns go first.
                await asyncio.sleep(0)
        finally:
            self._task = None

    async def _evaluate(self, turn: EndedTurn) -> list[EvalResult]:
        agent, results = turn.agent, list[EvalResult]()
        chosen = list(of_turn(agent.evals, self._rates, turn.session_id, turn.number))
        if not chosen:
            return results
        facts, at = facts_of(turn), timestamp()
        for spec in chosen:
            if not self._closing.is_set():
                await self._pace.wait()
            found = await _run(spec, facts)
            result = record(spec, facts, found, source="inline", pack_version=agent.version, at=at)
            self._metrics.recorded(result, agent.pack_id, spec.metric)
            results.append(result)
        _trace(turn, results)
        return results

    async def _keep(self, results: Sequence[EvalResult]) -> None:
        if not results:
            return
        for seconds in (*RETRY_SECONDS, None):
            try:
                await self._store.add_eval_results(results)
            except OmniaError as error:
                if seconds is None or self._closing.is_set():
                    _log.warning("results of evaluations are lost", reason=error.message)
                    self._metrics.dropped("store", len(results))
                    return
                await asyncio.sleep(seconds)
            else:
                return

    def _drop(self, reason: str, count: int) -> None:
        self._metrics.dropped(reason, count)
        if not self._dropping:
            self._dropping = True
            _log.warning(
                "evaluations are dropped: more are due than rateLimit.maxEvalsPerSecond allows"
            )


def inline_evals(env: RuntimeEnv, store: SessionStore, metrics: EvalMetrics) -> InlineEvals:
    """Return the evaluations that an environment configures."""
    return InlineEvals(
        store,
        metrics,
        Rates(env.evals_default_rate, env.evals_extended_rate),
        Pace(env.evals_max_per_second),
    )


def facts_of(turn: EndedTurn) -> Facts:
    """Return what evaluations of a turn look at."""
    return Facts(
        session_id=turn.session_id,
        turn=turn.number,
        output=turn.answer,
        messages=turn.messages,
        calls=calls_in(turn.messages, turn.number - 1),
        usage=turn.usage,
        latency_ms=turn.latency_ms,
        blocked=turn.blocked,
        variant=turn.agent.variant,
    )


async def _run(spec: EvalSpec, facts: Facts) -> Evaluation:
    try:
        return await evaluate(spec, facts, {})
    except Exception:  # noqa: BLE001 - one evaluation costs only itself
        _log.exception("an evaluation failed", evaluation=spec.id)
        error = "the evaluation failed; see the log of the runtime"
        return Evaluation(spec.id, spec.type, facts.turn, EvalOutcome.ERROR, error=error)


def _trace(turn: EndedTurn, results: Sequence[EvalResult]) -> None:
    """Add the results to the trace of their turn, in a span of their own: the turn's has ended."""
    if not turn.span.recording:
        return
    with turn.span.start_child("evaluate", SpanKind.INTERNAL) as span:
        for result in results:
            add_result(span, result)
