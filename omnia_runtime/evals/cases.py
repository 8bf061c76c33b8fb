"""Asks the agent of an environment, and evaluates: `python -m omnia_runtime.evals cases`.

Cases come as JSON lines from standard input; an answer for each repetition of each goes to standard
output in the order in which they end. Sessions are kept in memory, and nothing listens on a port.
`omnia eval` is its caller.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct, field
from prometheus_client import CollectorRegistry

from omnia_core.conversation.usage import Usage
from omnia_core.env import RuntimeEnv
from omnia_core.errors import ConfigurationError, OmniaError
from omnia_core.files.evals import EvalSpec, evals_of, read_evals
from omnia_core.files.pack.prompt import Eval
from omnia_core.names import Mode
from omnia_core.sessions import Message
from omnia_core.sessions.memory import MemorySessionStore
from omnia_runtime.configuration.loader import Loader
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.evals.evaluate import EvalResult, evaluate
from omnia_runtime.evals.facts import Facts, calls_in
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.listener import DiscardingListener, TurnFinished
from omnia_runtime.ports.model import ChatModel
from omnia_runtime.prompts.pack_versions import read_packs
from omnia_runtime.providers.models import Models
from omnia_runtime.tools.sources import ToolSources
from omnia_runtime.turns.invocation import InvocationRecords, Invocations
from omnia_runtime.turns.media import MediaLoader
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.tracing import RuntimeTracing
from omnia_runtime.turns.turn import Caller, UserTurn

# The longest time that the first case waits for tool servers to list their tools. A server that
# refuses is not waited for, and a case without its tools would fail for the wrong reason.
_SETTLE_SECONDS = 60.0


class Case(Struct, frozen=True, omit_defaults=True):
    """What is asked, and what the answer is checked for beside the evaluations of the pack.

    Attributes:
        index: its place in the dataset, from 0.
        repeat: which repetition this is, from 1.
        messages: what the user says, one after another; of a function the input as JSON text.
        only: the ids of evaluations to run; all for ().
        light: no evaluation asks a model.
    """

    index: int
    messages: tuple[str, ...]
    repeat: int = 1
    metadata: dict[str, str] = field(default_factory=dict)
    evals: tuple[Eval, ...] = ()
    only: tuple[str, ...] = ()
    light: bool = False


class CaseResult(Struct, frozen=True, omit_defaults=True):
    """The answer to a case.

    Attributes:
        error: why there is no answer; "" if there is one.
        problems: evaluations that cannot be run, and why.
    """

    index: int
    repeat: int = 1
    answer: str = ""
    results: tuple[EvalResult, ...] = ()
    usage: Usage = Usage()
    latency_ms: float = 0.0
    error: str = ""
    problems: tuple[str, ...] = ()


class CaseRunner:
    """Asks the agent, and evaluates."""

    def __init__(self, env: RuntimeEnv, configuration: LiveConfiguration) -> None:
        self._env = env
        self._configuration = configuration
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

    async def run(self, case: Case) -> CaseResult:
        """Ask the agent, turn by turn, and evaluate the last answer."""
        specs, problems = self._specs(case)
        session_id = f"eval-{uuid.uuid4()}"
        try:
            facts = await self._ask(session_id, case)
        except OmniaError as error:
            return CaseResult(case.index, case.repeat, error=error.message, problems=problems)
        judges = self._judges(specs)
        results = [await evaluate(spec, facts, judges) for spec in specs]
        return CaseResult(
            index=case.index,
            repeat=case.repeat,
            answer=facts.output,
            results=tuple(results),
            usage=facts.usage,
            latency_ms=facts.latency_ms or 0.0,
            problems=problems,
        )

    def _specs(self, case: Case) -> tuple[list[EvalSpec], tuple[str, ...]]:
        pack = read_packs(self._env.promptpack_path).stable
        declared = evals_of(pack, pack.prompt(self._env.prompt_name))
        own = {each.id for each in case.evals}
        chosen = [*(each for each in declared if each.id not in own), *case.evals]
        specs, problems = read_evals(
            [each for each in chosen if not case.only or each.id in case.only]
        )
        return [spec for spec in specs if not (case.light and spec.judge)], tuple(problems)

    def _judges(self, specs: Sequence[EvalSpec]) -> Mapping[str, ChatModel]:
        models: Models = self._configuration.current.models
        found = {}
        for name in {spec.judge for spec in specs if spec.judge}:
            with suppress(ConfigurationError):
                model = models.named(name)
                if model is not None:
                    found[name] = model
        return found

    async def _ask(self, session_id: str, case: Case) -> Facts:
        if self._env.mode is Mode.FUNCTION:
            return await self._call(session_id, case)
        usage, latency, finished = Usage(), 0.0, None
        for text in case.messages:
            turn = UserTurn(session_id, text, (), case.metadata, [])
            began = time.perf_counter()
            finished = await self._turns.run(turn, DiscardingListener(), Caller())
            latency = (time.perf_counter() - began) * 1000
            usage = finished.usage
        session = await self._store.load(session_id)
        messages = session.messages if session else ()
        return _facts(session_id, messages, finished, usage, latency)

    async def _call(self, session_id: str, case: Case) -> Facts:
        result = await self._invocations.run(session_id, case.messages[-1], case.metadata, {})
        messages = (Message("user", case.messages[-1]), Message("assistant", result.output))
        return Facts(
            session_id=session_id,
            turn=1,
            output=result.output,
            messages=messages,
            calls=(),
            usage=result.usage,
            latency_ms=float(result.duration_ms),
        )


def _facts(
    session_id: str,
    messages: Sequence[Message],
    finished: TurnFinished | None,
    usage: Usage,
    latency_ms: float,
) -> Facts:
    return Facts(
        session_id=session_id,
        turn=sum(each.role == "user" for each in messages),
        output=finished.text if finished else "",
        messages=messages,
        calls=calls_in(messages),
        usage=usage,
        latency_ms=latency_ms,
        blocked=finished.blocked if finished else "",
    )


@asynccontextmanager
async def opened(env: RuntimeEnv) -> AsyncIterator[CaseRunner]:
    """Build the agent of an environment.

    Raises:
        ConfigurationError: a file of the agent is invalid.
    """
    client = HTTPClient()
    metrics = RuntimeMetrics(CollectorRegistry(), env.agent_name, env.namespace)
    live: LiveConfiguration | None = None

    def changed() -> None:
        if live is not None:
            live.invalidate()

    sources = ToolSources(client, changed, deny_private=env.tools_deny_private_addresses)
    try:
        live = LiveConfiguration(Loader(env, client, sources, metrics))
        sources.start()
        await sources.settled(_SETTLE_SECONDS)
        live.refresh()
        runner = CaseRunner(env, live)
        try:
            yield runner
        finally:
            await runner.close()
    finally:
        await sources.close()
        await client.close()


async def serve(env: RuntimeEnv, parallel: int) -> None:
    """Answer the cases of standard input, so many at the same time."""
    lines = await asyncio.to_thread(sys.stdin.buffer.readlines)
    cases = [msgspec.json.decode(line, type=Case) for line in lines if line.strip()]
    slots = asyncio.Semaphore(parallel)

    async def answer(runner: CaseRunner, case: Case) -> None:
        async with slots:
            result = await runner.run(case)
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        sys.stdout.buffer.flush()

    async with opened(env) as runner, asyncio.TaskGroup() as group:
        for case in cases:
            group.create_task(answer(runner, case))
