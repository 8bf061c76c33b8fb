"""Sends a case to the agent of an environment, and evaluates the answer."""

import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct, field, structs
from prometheus_client import CollectorRegistry

from omnia_core.conversation.usage import Usage
from omnia_core.env import RuntimeEnv
from omnia_core.errors import ConfigurationError, OmniaError
from omnia_core.files.evals import EvalSpec, evals_of, read_evals
from omnia_core.files.evals.case_results import CaseResult, Evaluation, RecordedSide
from omnia_core.files.pack.compiled import FIXED_TIME
from omnia_core.files.pack.prompt import Eval
from omnia_core.names import Mode
from omnia_core.sessions import Message
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.sessions.recorded import RecordedSession, RecordedTurn
from omnia_runtime.cassettes.conversation import CONVERSATION, RecordedConversation
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.evals.evaluate import External, evaluate
from omnia_runtime.evals.facts import Facts, calls_in
from omnia_runtime.evals.recorded import answered_turns, as_call
from omnia_runtime.evals.recorded_calls import CALLS, RecordedCalls
from omnia_runtime.evals.similar import Embedder
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.listener import DiscardingListener, TurnFinished
from omnia_runtime.ports.model import ChatModel, ChatRequest, Finished, ModelEvent
from omnia_runtime.prompts.pack_versions import read_packs
from omnia_runtime.providers.models import Models
from omnia_runtime.turns.invocation import InvocationRecords, Invocations
from omnia_runtime.turns.media import MediaLoader
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.tracing import RuntimeTracing
from omnia_runtime.turns.turn import Caller, UserTurn

Judges: TypeAlias = Mapping[str, ChatModel]


class Case(Struct, frozen=True, omit_defaults=True):
    """The messages to the agent, and the evaluations besides those of the pack.

    Attributes:
        index: its place in the dataset, from 0.
        repeat: which repetition this is, from 1.
        messages: what the user says, one after another; of a function the input as JSON text.
        only: the ids of evaluations to run; all for ().
        light: no evaluation asks a model.
        recorded: a session, of which every turn is evaluated.
        ask: whether the agent is asked; with `recorded` what the user said there, and its tools
            are answered from there.
    """

    index: int
    messages: tuple[str, ...] = ()
    repeat: int = 1
    metadata: dict[str, str] = field(default_factory=dict)
    evals: tuple[Eval, ...] = ()
    only: tuple[str, ...] = ()
    light: bool = False
    recorded: RecordedSession | None = None
    ask: bool = True


class CaseRunner:
    """Asks the agent, and evaluates."""

    def __init__(
        self,
        env: RuntimeEnv,
        configuration: LiveConfiguration,
        client: HTTPClient,
        recorded_at: datetime | None,
    ) -> None:
        """Prepare; with `recorded_at` times are those of a cassette, and no other server is asked.

        `client` is for evaluations that ask other servers.
        """
        self._env = env
        self._configuration = configuration
        self._recorded_at = recorded_at
        self._external = None if recorded_at else External(client, self._embedder)
        metrics = RuntimeMetrics(CollectorRegistry(), env.agent_name, env.namespace)
        tracing = RuntimeTracing()
        self._store = MemorySessionStore(env.session_ttl)
        media = MediaLoader(Path(env.media_base_path))
        self._turns = SessionTurns(configuration, self._store, media, metrics, tracing)
        records = InvocationRecords(self._store, metrics)
        self._invocations = Invocations(configuration, records, metrics, tracing)

    async def close(self) -> None:
        """End what runs in the background."""
        await self._turns.close()
        await self._invocations.close()

    async def run(self, case: Case, conversation: str) -> CaseResult:
        """Ask the agent, turn by turn, and evaluate; `conversation` is unique among those of a run.

        It has to run in a task of its own.
        """
        if self._recorded_at:
            CONVERSATION.set(RecordedConversation(conversation))
            FIXED_TIME.set(self._recorded_at)
        specs, problems = self._specs(case)
        spent: list[float] = []
        judges = self._judges(specs, spent)
        try:
            if case.recorded is None:
                made = await self._asked(case, conversation, specs, judges)
            else:
                function = self._env.mode is Mode.FUNCTION
                recorded = as_call(case.recorded) if function else case.recorded
                evaluated = self._asked_again if case.ask else self._recorded
                made = await evaluated(case, recorded, specs, judges)
        except OmniaError as error:
            made = CaseResult(case.index, case.repeat, error=error.message)
        return structs.replace(made, problems=problems, judge_cost_usd=sum(spent))

    async def _asked(
        self, case: Case, conversation: str, specs: Sequence[EvalSpec], judges: Judges
    ) -> CaseResult:
        # With a cassette everything is as it was recorded, also which version of a pack answers.
        unique = conversation if self._recorded_at else uuid.uuid4()
        facts = (await self._ask(f"eval-{unique}", case.messages, case.metadata))[-1]
        results = [await self._evaluate(spec, facts, judges) for spec in specs]
        return CaseResult(
            index=case.index,
            repeat=case.repeat,
            answer=facts.output,
            results=tuple(results),
            usage=facts.usage or Usage(),
            latency_ms=facts.latency_ms or 0.0,
        )

    async def _recorded(
        self, case: Case, session: RecordedSession, specs: Sequence[EvalSpec], judges: Judges
    ) -> CaseResult:
        turns = list(answered_turns(session))
        if not turns:
            return CaseResult(case.index, not_asked="no turn of it has a complete answer")
        return CaseResult(
            index=case.index,
            repeat=case.repeat,
            answer=turns[-1].output,
            results=await self._evaluate_turns(turns, specs, judges),
            latency_ms=max(turn.latency_ms or 0.0 for turn in turns),
            triggers={spec.id: spec.trigger for spec in specs},
        )

    async def _asked_again(
        self, case: Case, session: RecordedSession, specs: Sequence[EvalSpec], judges: Judges
    ) -> CaseResult:
        before = list(answered_turns(session))
        said = [message for message in session.messages if message.role == "user"]
        if not before or session.session.deleted:
            why = "its beginning is deleted" if before else "no turn of it has a complete answer"
            return CaseResult(case.index, not_asked=why)
        if any(each.parts for each in said):
            return CaseResult(case.index, not_asked="the user sent media, which are not kept")
        calls = RecordedCalls(session.messages)
        CALLS.set(calls)
        texts = [each.content for each in said[: before[-1].turn]]
        turns = await self._ask(f"backtest-{uuid.uuid4()}", texts, case.metadata)
        complete = {each.turn for each in before}
        compared = [turn for turn in turns if turn.turn in complete]
        recorded = [session.turns.get(each.turn, RecordedTurn()) for each in before]
        return CaseResult(
            index=case.index,
            repeat=case.repeat,
            answer=turns[-1].output,
            results=await self._evaluate_turns(compared, specs, judges),
            usage=sum((each.usage or Usage() for each in compared), Usage()),
            latency_ms=sum(each.latency_ms or 0.0 for each in compared),
            recorded=RecordedSide(
                await self._evaluate_turns(before, specs, judges),
                sum((each.usage for each in recorded), Usage()),
                sum(each.model_ms for each in recorded),
            ),
            calls=calls.calls,
            unmatched=calls.unmatched,
        )

    async def _evaluate_turns(
        self, turns: Sequence[Facts], specs: Sequence[EvalSpec], judges: Judges
    ) -> tuple[Evaluation, ...]:
        """Evaluate every turn, and at the end the session."""
        chosen = [
            (spec, facts)
            for facts in turns
            for spec in specs
            if not spec.session or facts is turns[-1]
        ]
        return tuple([await self._evaluate(spec, facts, judges) for spec, facts in chosen])

    async def _evaluate(self, spec: EvalSpec, facts: Facts, judges: Judges) -> Evaluation:
        conversation = CONVERSATION.get()
        if conversation is None:
            return await evaluate(spec, facts, judges, self._external)
        before = conversation.milliseconds
        result = await evaluate(spec, facts, judges)
        return structs.replace(result, duration_ms=conversation.milliseconds - before)

    def _specs(self, case: Case) -> tuple[list[EvalSpec], tuple[str, ...]]:
        pack = read_packs(self._env.promptpack_path).stable
        declared = evals_of(pack, pack.prompt(self._env.prompt_name))
        own = {evaluation.id for evaluation in case.evals}
        chosen = [*(each for each in declared if each.id not in own), *case.evals]
        specs, problems = read_evals(
            [each for each in chosen if not case.only or each.id in case.only]
        )
        return [spec for spec in specs if not (case.light and spec.extended)], tuple(problems)

    def _judges(self, specs: Sequence[EvalSpec], spent: list[float]) -> Judges:
        models: Models = self._configuration.current.models
        found = {}
        for name in {spec.judge for spec in specs if spec.judge}:
            with suppress(ConfigurationError):
                model = models.named(name)
                if model is not None:
                    found[name] = CountedModel(model, spent)
        return found

    def _embedder(self, name: str) -> Embedder | None:
        return self._configuration.current.models.embedder(name)

    async def _ask(
        self, session_id: str, texts: Sequence[str], metadata: Mapping[str, str]
    ) -> list[Facts]:
        """Send the messages, and return the facts of each turn."""
        if self._env.mode is Mode.FUNCTION:
            return [await self._call(session_id, texts[-1], metadata)]
        found = []
        for text in texts:
            turn = UserTurn(session_id, text, (), metadata, [])
            watch = _Watch()
            finished = await self._turns.run(turn, DiscardingListener(), Caller())
            latency = watch.milliseconds()
            session = await self._store.load(session_id)
            messages = session.messages if session else ()
            found.append(_facts(session_id, messages, finished, latency))
        return found

    async def _call(self, session_id: str, text: str, metadata: Mapping[str, str]) -> Facts:
        watch = _Watch()
        result = await self._invocations.run(session_id, text, metadata, {})
        messages = (Message("user", text), Message("assistant", result.output))
        return Facts(
            session_id=session_id,
            turn=1,
            output=result.output,
            messages=messages,
            calls=(),
            usage=result.usage,
            latency_ms=watch.milliseconds(),
        )


class CountedModel:
    """A model that notes what its answers cost."""

    def __init__(self, model: ChatModel, spent: list[float]) -> None:
        self._model = model
        self._spent = spent

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        async with aclosing(self._model.stream(request)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    self._spent.append(event.usage.cost_usd)
                yield event


class _Watch:
    """Measures a turn: with a cassette, the recorded time of its calls."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._conversation = CONVERSATION.get()
        self._before = self._conversation.milliseconds if self._conversation else 0.0

    def milliseconds(self) -> float:
        """Return how long it took until now."""
        if self._conversation:
            return self._conversation.milliseconds - self._before
        return (time.perf_counter() - self._began) * 1000


def _facts(
    session_id: str, messages: Sequence[Message], finished: TurnFinished, latency_ms: float
) -> Facts:
    return Facts(
        session_id=session_id,
        turn=sum(message.role == "user" for message in messages),
        output=finished.text,
        messages=messages,
        calls=calls_in(messages),
        usage=finished.usage,
        latency_ms=latency_ms,
        blocked=finished.blocked,
    )
