"""Evaluates one session: what is due and not kept yet, and when it is due again."""

import asyncio
import time
from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from omnia_core.files.evals import EvalSpec
from omnia_core.files.evals.case_results import Evaluation
from omnia_core.names import EvalOutcome
from omnia_core.sessions import Session, SessionStore, StoreUnavailable
from omnia_core.sessions.audit import ProviderCall
from omnia_core.sessions.evaluations import EvalSource
from omnia_core.sessions.feed import DueSession, Progress, SessionFeed
from omnia_core.telemetry.tracing import current_span
from omnia_runtime.evals.budget import JudgeBudget
from omnia_runtime.evals.definitions import Definitions, EvalDefinitions
from omnia_runtime.evals.evaluate import External, evaluate
from omnia_runtime.evals.facts import Facts
from omnia_runtime.evals.pace import Pace
from omnia_runtime.evals.record import record
from omnia_runtime.evals.recorded import answered_turns, as_call
from omnia_runtime.evals.selection import Rates, of_session, of_turn
from omnia_runtime.evals.tracing import EvalTracing, add_result
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.audit import AuditRecorder, recording
from omnia_runtime.observe.eval_metrics import EvalMetrics
from omnia_runtime.ports.model import ProviderError

# When what failed is tried again; what fails after the last of them is an error.
RETRY_SECONDS = (10.0, 60.0, 300.0)
# The longest wait that a server may ask for.
_LONGEST_WAIT = 3600.0
# The longest time for the answer of a judge.
JUDGE_SECONDS = 30.0
# A turn without an answer for so long has died with its pod.
TURN_SECONDS = 600.0
SOURCE: EvalSource = "worker"
BUDGET = "budget"
"""Why an evaluation is skipped when the judges may cost nothing more today."""


class EvalTerms(Struct, frozen=True):
    """How the sessions of an agent are evaluated.

    Attributes:
        inactivity_seconds: a session is complete so long after its last message.
        session_seconds: how long a session can be continued.
        per_second: evaluations in a second.
        judge_calls: judges that are asked at the same time.
        light: whether turns are evaluated here also by what needs only their text; else the runtime
            does that.
        function: whether sessions are calls of a function, each of which is complete at once.
    """

    rates: Rates
    inactivity_seconds: float
    session_seconds: float
    per_second: float = 50.0
    judge_calls: int = 5
    light: bool = False
    function: bool = False


class _Due(Struct, frozen=True):
    """An evaluation that is to be run; `turn` is that of its result."""

    spec: EvalSpec
    facts: Facts
    definitions: Definitions

    @property
    def turn(self) -> int:
        return self.facts.turn

    @property
    def key(self) -> str:
        return f"{self.turn}:{SOURCE}:{self.spec.id}"


class SessionEvaluation:
    """Evaluates sessions within the limits of their agent, which all of them share."""

    def __init__(
        self,
        store: SessionStore,
        feed: SessionFeed,
        definitions: EvalDefinitions,
        terms: EvalTerms,
        client: HTTPClient,
        budget: JudgeBudget,
        metrics: EvalMetrics,
        *,
        tracing: EvalTracing | None = None,
        pace: Pace | None = None,
    ) -> None:
        """`budget`, `metrics`, `tracing` and `pace` are those of the agent."""
        self._store = store
        self._feed = feed
        self._definitions = definitions
        self._terms = terms
        self._external = External(client, definitions.embedder)
        self._budget = budget
        self._metrics = metrics
        self._tracing = tracing or EvalTracing()
        self._pace = pace or Pace(terms.per_second)
        self._judges = asyncio.Semaphore(terms.judge_calls)

    async def run(self, due: DueSession) -> None:
        """Evaluate what is due of a session, and say when it is due again.

        Raises:
            StoreUnavailable: results may be missing; they are evaluated when the claim has ended.
        """
        began = time.monotonic()
        if due.idle_seconds >= self._terms.session_seconds:
            await self._feed.forget(due)
            return
        recorded = await self._store.read(due.session_id)
        if recorded is None:
            await self._feed.forget(due)
            return
        session = recorded.session
        left = self._seconds_left(session, due)
        turns = list(answered_turns(as_call(recorded) if self._terms.function else recorded))
        wanted = self._wanted(self._definitions.of(session), turns, due.progress, left <= 0)
        retry = await self._evaluate(wanted, due)
        if retry is not None:
            progress = structs.replace(due.progress, attempts=due.progress.attempts + 1)
            await self._feed.done(due, progress, retry, held=True)
            return
        last = turns[-1].turn if turns else due.progress.turn
        completed = last if left <= 0 else due.progress.completed
        # After it is complete, it is looked at once more, to forget it.
        again = left if left > 0 else self._terms.session_seconds - due.idle_seconds
        again -= time.monotonic() - began
        await self._feed.done(due, Progress(last, completed), max(again, 0.0))

    async def failed(self, due: DueSession) -> None:
        """Try a session again that could not be evaluated, and give it up in the end."""
        attempts = due.progress.attempts
        if attempts < len(RETRY_SECONDS):
            progress = structs.replace(due.progress, attempts=attempts + 1)
            await self._feed.done(due, progress, RETRY_SECONDS[attempts], held=True)
        else:
            await self._feed.done(due, due.progress, self._terms.session_seconds)

    def _seconds_left(self, session: Session, due: DueSession) -> float:
        """Return the seconds until a session is complete, if nothing happens in it; 0 or less now.

        One with a turn that runs is not complete, unless the turn has died.
        """
        silence = 0.0 if self._terms.function else self._terms.inactivity_seconds
        if session.answering or session.interrupted:
            silence = max(silence, TURN_SECONDS)
        return silence - due.idle_seconds

    def _wanted(
        self, definitions: Definitions, turns: Sequence[Facts], progress: Progress, complete: bool
    ) -> Iterator[_Due]:
        rates, light = self._terms.rates, self._terms.light
        mine = [each for each in definitions.specs if light or each.extended or each.session]
        for facts in turns:
            if facts.turn > progress.turn:
                for spec in of_turn(mine, rates, facts.session_id, facts.turn):
                    yield _Due(spec, facts, definitions)
        if complete and turns and turns[-1].turn > progress.completed:
            for spec in of_session(definitions.specs, rates, turns[-1].session_id):
                yield _Due(spec, turns[-1], definitions)

    async def _evaluate(self, wanted: Iterator[_Due], due: DueSession) -> float | None:
        """Run evaluations that are not kept yet; return in how many seconds to go on, if so.

        Raises:
            StoreUnavailable: some of them may not be kept.
        """
        new = list(wanted)
        if not new:
            return None
        kept = {each.key for each in await self._store.eval_results(due.session_id)}
        attempts = due.progress.attempts
        last = attempts >= len(RETRY_SECONDS)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._run(each, last=last))
                    for each in new
                    if each.key not in kept
                ]
        except ExceptionGroup as failed:
            away, others = failed.split(StoreUnavailable)
            if away is None or others is not None:
                raise
            raise away.exceptions[0] from None
        waits = [wait for task in tasks if (wait := task.result()) is not None]
        return max(RETRY_SECONDS[attempts], *waits) if waits else None

    async def _run(self, due: _Due, *, last: bool) -> float | None:
        """Run an evaluation and keep its result; return the least wait if it has to be repeated."""
        await self._pace.wait()
        if not due.spec.extended:
            with self._tracing.evaluation(due.spec, due.facts):
                await self._keep(due, await evaluate(due.spec, due.facts, {}))
            return None
        async with self._judges:
            if not await self._budget.is_left():
                await self._keep(due, _without_score(due.spec, EvalOutcome.SKIPPED, BUDGET))
                return None
            with self._tracing.evaluation(due.spec, due.facts):
                return await self._ask(due, last=last)

    async def _ask(self, due: _Due, *, last: bool) -> float | None:
        recorder, spec = AuditRecorder(), due.spec
        judges = self._definitions.judge(spec.judge) if spec.judge else {}
        wait: float | None = None
        with recording(recorder):
            try:
                async with asyncio.timeout(JUDGE_SECONDS):
                    found = await evaluate(
                        spec, due.facts, judges, self._external, raise_transient=not last
                    )
            except ProviderError as error:
                current_span().set_error(type(error).__name__)
                wait = min(error.retry_after or 0.0, _LONGEST_WAIT)
            except TimeoutError:
                wait = 0.0
                if last:
                    wait, found = None, _without_score(spec, EvalOutcome.ERROR, _TOO_LONG)
        calls = recorder.take().provider_calls
        await self._budget.add(sum(call.cost_usd for call in calls))
        if wait is None:
            await self._keep(due, found, calls)
        return wait

    async def _keep(self, due: _Due, found: Evaluation, calls: Sequence[ProviderCall] = ()) -> None:
        spec, of = due.spec, due.definitions
        result = record(spec, due.facts, found, source=SOURCE, pack_version=of.version)
        if calls:
            cost = sum(call.cost_usd for call in calls)
            result = structs.replace(result, cost_usd=cost, judge_model=calls[-1].model)
        if await self._store.add_eval_results([result], calls):
            add_result(current_span(), result)
            self._metrics.recorded(result, of.pack_id, spec.metric)


_TOO_LONG = f"the judge took longer than {JUDGE_SECONDS:g} s"


def _without_score(spec: EvalSpec, outcome: EvalOutcome, error: str) -> Evaluation:
    """Return what becomes of an evaluation that was not run, or not to its end."""
    threshold = str(spec.requirement)
    return Evaluation(spec.id, spec.type, 0, outcome, error=error, threshold=threshold)
