"""Evaluations in the runtime, after the answers: what is run, kept, counted and dropped."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from omnia_core.files.evals import read_evals
from omnia_core.files.evals.metrics import MOST_LABELS, MOST_METRICS, metric_problems
from omnia_core.files.pack.prompt import Eval, Metric
from omnia_core.files.placement import bucket_of
from omnia_core.names import EvalOutcome
from omnia_core.sessions import EvalResult, StoreUnavailable
from omnia_core.sessions.audit import ProviderCall
from omnia_core.sessions.memory import MemorySessionStore
from omnia_core.units import Duration
from omnia_runtime.configuration.loader import Loader
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.evals import inline
from omnia_runtime.evals.evaluate import evaluate
from omnia_runtime.evals.inline import InlineEvals
from omnia_runtime.evals.pace import Pace
from omnia_runtime.evals.selection import Rates
from omnia_runtime.evals.tracing import evaluation_attributes
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.eval_metrics import EvalMetrics
from omnia_runtime.ports.listener import DiscardingListener
from omnia_runtime.tools.sources import ToolSources
from omnia_runtime.turns.invocation import InvocationRecords, Invocations
from omnia_runtime.turns.media import MediaLoader
from omnia_runtime.turns.session_turns import SessionTurns
from omnia_runtime.turns.tracing import RuntimeTracing
from omnia_runtime.turns.turn import Caller, UserTurn
from tests.runtime.program import LIMIT
from tests.runtime.scripted import Mounted, http_tool, metrics, pack
from tests.services import free_port

AGENT = {"agent": "agent", "namespace": "default"}
GREETS = {
    "id": "greets",
    "type": "contains",
    "trigger": "every_turn",
    "params": {"patterns": ["hello"]},
}
SHORT = {
    "id": "short",
    "type": "max_length",
    "trigger": "every_turn",
    "params": {"max_characters": 5},
    "metric": {"name": "brevity", "type": "boolean", "labels": {"team": "support"}},
}
LOOKS_UP = {
    "id": "looks-up",
    "type": "tools_called",
    "trigger": "every_turn",
    "params": {"tools": ["lookup"]},
    "when": {"any_tool_called": True},
}
JUDGED = {
    "id": "kind",
    "type": "llm_judge",
    "trigger": "every_turn",
    "params": {"criteria": "It is kind."},
}
AT_THE_END = {
    "id": "in-all",
    "type": "contains",
    "trigger": "on_session_complete",
    "params": {"patterns": ["bye"]},
}


class Store(MemorySessionStore):
    """Refuses results as often as `refuses` says; keeps calls of functions too."""

    keeps_audit = True

    def __init__(self) -> None:
        super().__init__(Duration.parse("1h"))
        self.refuses = 0

    async def add_eval_results(
        self, results: Sequence[EvalResult], calls: Sequence[ProviderCall] = ()
    ) -> int:
        if self.refuses:
            self.refuses -= 1
            raise StoreUnavailable("away")
        return await super().add_eval_results(results, calls)


class Bed:
    """Turns and calls in this process, with their evaluations."""

    def __init__(self, mounted: Mounted, rates: Rates, pace: Pace, **environment: str) -> None:
        self.store, self.registry = Store(), CollectorRegistry()
        self.client = client = HTTPClient()
        env = mounted.env(OMNIA_EVALS_ENABLED="true", **environment)
        loader = Loader(env, client, ToolSources(client, lambda: None), metrics())
        self.live = LiveConfiguration(loader)
        self.evals = InlineEvals(
            self.store, EvalMetrics(self.registry, "agent", "default"), rates, pace
        )
        shared = (metrics(), RuntimeTracing())
        media = MediaLoader(mounted.folder)
        self.turns = SessionTurns(self.live, self.store, media, *shared, self.evals.submit)
        records = InvocationRecords(self.store, metrics(), self.evals.submit)
        self.invocations = Invocations(self.live, records, *shared)

    async def ask(self, text: str = "hi", session: str = "s") -> None:
        turn = UserTurn(session, text, (), {}, [])
        await self.turns.run(turn, DiscardingListener(), Caller())

    async def results(self, session: str = "s") -> list[EvalResult]:
        """Return the results of a session once nothing waits."""
        async with asyncio.timeout(LIMIT):
            await self.evals.drain()
        return await self.store.eval_results(session)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, AGENT | labels)


Made = Callable[..., Bed]


@pytest.fixture
async def made(mounted: Mounted, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Made]:
    """Make beds on the mounted files."""
    monkeypatch.setattr(inline, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(inline, "RETRY_SECONDS", (0.0, 0.0))
    beds: list[Bed] = []

    def make(
        *evals: dict[str, Any],
        rates: Rates = Rates(),  # noqa: B008 - it is frozen
        pace: Pace | None = None,
        **environment: str,
    ) -> Bed:
        mounted.write_pack({**pack(), "evals": list(evals)})
        beds.append(Bed(mounted, rates, pace or Pace(1000), **environment))
        return beds[-1]

    yield make
    for bed in beds:
        await bed.turns.close()
        await bed.invocations.close()
        await bed.evals.close()
        await bed.client.close()


def outcomes(results: Sequence[EvalResult]) -> dict[str, EvalOutcome]:
    return {each.evaluation: each.outcome for each in results}


async def test_each_turn_is_evaluated_by_what_needs_only_the_text(made: Made) -> None:
    bed = made(GREETS, SHORT, LOOKS_UP, JUDGED, AT_THE_END)
    await bed.ask()
    await bed.ask()
    results = await bed.results()
    assert [
        (each.turn, each.evaluation) for each in sorted(results, key=lambda each: each.key)
    ] == [(turn, name) for turn in (1, 2) for name in ("greets", "looks-up", "short")]
    assert outcomes(results) == {
        "greets": EvalOutcome.PASSED,
        "short": EvalOutcome.FAILED,
        "looks-up": EvalOutcome.SKIPPED,
    }
    greets, short, looks_up = (
        next(each for each in results if each.evaluation == name)
        for name in ("greets", "short", "looks-up")
    )
    assert (greets.score, greets.passed, greets.source) == (1.0, True, "inline")
    assert (greets.session, greets.pack_version, greets.trigger) == ("s", "1.0.0", "every_turn")
    assert (short.score, short.passed) == (0.0, False)
    assert short.explanation
    assert (looks_up.score, looks_up.passed, looks_up.error) == (None, None, "0 tools were called")


async def test_an_evaluation_sees_the_tools_of_its_turn_alone(mounted: Mounted, made: Made) -> None:
    calls = {"tool_calls": [{"name": "lookup", "arguments": {"id": 7}}]}
    mounted.write_responses({"scenarios": {"default": {"turns": {1: calls, 2: "a", 3: "b"}}}})
    mounted.write_tools(http_tool(f"http://127.0.0.1:{free_port()}/"))
    count = {
        "id": "calls",
        "type": "tool_call_count",
        "trigger": "every_turn",
        "params": {"min": 1},
    }
    bed = made(count, LOOKS_UP)
    await bed.ask()
    await bed.ask()
    found = {(each.turn, each.evaluation): each.outcome for each in await bed.results()}
    assert found == {
        (1, "calls"): EvalOutcome.PASSED,
        (2, "calls"): EvalOutcome.FAILED,
        # The call failed, because nobody listens there.
        (1, "looks-up"): EvalOutcome.FAILED,
        (2, "looks-up"): EvalOutcome.SKIPPED,
    }


async def test_what_is_sampled_is_known_from_the_ids(made: Made) -> None:
    rare = {**GREETS, "id": "rare", "trigger": "sample_turns", "sample_percentage": 30}
    bed = made(GREETS, rare, rates=Rates(60, 10))
    sessions = [f"session-{number}" for number in range(40)]
    for session in sessions:
        await bed.ask(session=session)
        await bed.ask(session=session)
    found = {
        (each.evaluation, each.session, each.turn)
        for session in sessions
        for each in await bed.results(session)
    }
    assert found == {
        (name, session, turn)
        for name, limit in (("greets", 6000), ("rare", 3000))
        for session in sessions
        for turn in (1, 2)
        if bucket_of(f"{session}:{turn}") < limit
    }


async def test_a_call_of_a_function_is_evaluated_when_it_is_stored(
    mounted: Mounted, made: Made
) -> None:
    mounted.write_function({"type": "object"}, {"type": "object"})
    mounted.write_responses({"defaultResponse": '{"text": "hello"}'})
    bed = made(GREETS, OMNIA_MODE="function")
    await bed.invocations.run("i1", '{"text": "x"}', {}, {})
    await bed.invocations.close()
    (found,) = await bed.results("i1")
    assert (found.turn, found.outcome) == (1, EvalOutcome.PASSED)


async def test_results_are_counted_with_the_metric_of_the_pack(made: Made) -> None:
    bed = made(GREETS, SHORT, LOOKS_UP)
    await bed.ask()
    await bed.results()
    common = {"source": "inline", "variant": "stable"}
    assert bed.value("omnia_evals_total", eval_id="greets", outcome="passed", **common) == 1
    assert bed.value("omnia_evals_total", eval_id="looks-up", outcome="skipped", **common) == 1
    score = {"promptpack_name": "support", "variant": "stable"}
    assert bed.value("omnia_eval_score_sum", eval_id="greets", **score) == 1
    assert bed.value("omnia_eval_score_count", eval_id="short", **score) == 1
    assert bed.value("omnia_eval_score_count", eval_id="looks-up", **score) is None
    assert bed.value("omnia_eval_brevity", variant="stable", team="support") == 0
    assert bed.value("omnia_eval_duration_seconds_count", eval_type="contains") == 1


@pytest.mark.parametrize(("variant", "kept"), [("stable", ""), ("candidate", "candidate")])
async def test_a_result_names_the_variant_that_answered(
    variant: str, kept: str, made: Made
) -> None:
    bed = made(GREETS, OMNIA_VARIANT=variant)
    await bed.ask()
    (found,) = await bed.results()
    session = await bed.store.load("s")
    assert session
    assert (found.variant, session.messages[0].variant) == (kept, kept)
    counted = {"eval_id": "greets", "outcome": "passed", "source": "inline"}
    assert bed.value("omnia_evals_total", variant=variant, **counted) == 1


async def test_the_record_of_a_call_names_the_variant_that_answered(
    mounted: Mounted, made: Made
) -> None:
    mounted.write_function({"type": "object"}, {"type": "object"})
    mounted.write_responses({"defaultResponse": '{"text": "hello"}'})
    bed = made(GREETS, OMNIA_MODE="function", OMNIA_VARIANT="candidate")
    await bed.invocations.run("i1", '{"text": "x"}', {}, {})
    await bed.invocations.close()
    (found,) = await bed.results("i1")
    session = await bed.store.load("i1")
    assert session
    assert (found.variant, session.messages[0].variant) == ("candidate", "candidate")


async def test_results_are_written_again_when_the_store_comes_back(made: Made) -> None:
    bed = made(GREETS)
    bed.store.refuses = 2
    await bed.ask()
    assert len(await bed.results()) == 1
    assert bed.value("omnia_eval_dropped_total", reason="store") is None


async def test_results_that_no_store_takes_are_counted(made: Made) -> None:
    bed = made(GREETS, SHORT)
    bed.store.refuses = 3
    await bed.ask()
    assert await bed.results() == []
    assert bed.value("omnia_eval_dropped_total", reason="store") == 2
    await bed.ask()
    assert [each.turn for each in await bed.results()] == [2, 2]


async def test_what_does_not_fit_into_the_queue_is_dropped_and_counted(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "MOST_WAITING", 4)
    gate = asyncio.Event()

    async def sleep(_: float) -> None:
        await gate.wait()

    bed = made(GREETS, SHORT, pace=Pace(1, lambda: 0.0, sleep))
    for _ in range(5):
        await bed.ask()
    assert bed.value("omnia_eval_dropped_total", reason="queue") == 6
    gate.set()
    assert [each.turn for each in await bed.results()] == [1, 1, 2, 2]


async def test_the_rate_is_that_of_the_settings(made: Made) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    bed = made(GREETS, SHORT, pace=Pace(2, lambda: 0.0, sleep))
    for _ in range(3):
        await bed.ask()
    await bed.results()
    assert waits == [0.5, 1.0, 1.5, 2.0]


async def test_a_defect_of_one_evaluation_costs_only_itself(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defective(spec: Any, *rest: Any) -> Any:
        if spec.id == "greets":
            raise RuntimeError("secret")
        return await evaluate(spec, *rest)

    monkeypatch.setattr(inline, "evaluate", defective)
    bed = made(GREETS, SHORT)
    await bed.ask()
    results = await bed.results()
    assert outcomes(results) == {"greets": EvalOutcome.ERROR, "short": EvalOutcome.FAILED}
    (error,) = [each.error for each in results if each.error]
    assert "secret" not in error
    assert (
        bed.value(
            "omnia_eval_score_count", eval_id="greets", promptpack_name="support", variant="stable"
        )
        is None
    )


async def test_what_waits_at_the_end_is_evaluated_first(made: Made) -> None:
    forever = asyncio.Event()

    async def sleep(_: float) -> None:
        await forever.wait()

    bed = made(GREETS, pace=Pace(2, lambda: 0.0, sleep))
    bed.evals._pace = Pace(1000)
    for _ in range(5):
        await bed.ask()
    await bed.evals.close()
    assert len(await bed.store.eval_results("s")) == 5


def test_an_explanation_is_traced_only_where_content_may_be() -> None:
    result = EvalResult(
        session="s",
        turn=1,
        at="2026-03-01T12:00:00.000Z",
        evaluation="polite",
        type="contains",
        trigger="every_turn",
        source="inline",
        outcome=EvalOutcome.FAILED,
        score=0.5,
        explanation="she said",
    )
    assert evaluation_attributes(result, content=False) == {
        "gen_ai.evaluation.name": "polite",
        "gen_ai.evaluation.score.label": "failed",
        "gen_ai.evaluation.score.value": 0.5,
    }
    told = evaluation_attributes(result, content=True)
    assert told["gen_ai.evaluation.explanation"] == "she said"


def test_nothing_of_evaluations_is_loaded_where_they_are_off(mounted: Mounted) -> None:
    mounted.write_pack({**pack(), "evals": [GREETS, JUDGED]})
    code = (
        "import sys; from omnia_core.env import RuntimeEnv; from omnia_runtime.app import Runtime;"
        "import os; Runtime(RuntimeEnv.parse(os.environ));"
        "print([name for name in sys.modules if 'evals' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=mounted.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def metered(number: int, metric: Metric) -> Eval:
    return Eval(f"e{number}", "contains", "every_turn", metric=metric, params={"patterns": ["x"]})


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ([Metric("score", "gauge")], "taken"),
        ([Metric("score_count", "counter")], "taken"),
        ([Metric("worker_backlog", "gauge")], "taken"),
        ([Metric("a", "gauge"), Metric("a", "counter")], 'has the metric "a"'),
        ([Metric("a", "gauge"), Metric("a_total", "counter")], 'has the metric "a"'),
        ([Metric("a", "gauge"), Metric("a", "gauge", labels={"b": "c"})], 'has the metric "a"'),
        ([Metric("a", "gauge", labels={"agent": "x"})], '"agent" is taken'),
        ([Metric("a", "gauge", labels={"le": "x"})], '"le" is taken'),
        ([Metric("a", "gauge", labels={"__name": "x"})], "no name of a label"),
        ([Metric("a", "gauge", labels={"a-b": "x"})], "no name of a label"),
        (
            [Metric("a", "gauge", labels={f"l{each}": "" for each in range(MOST_LABELS + 1)})],
            f"at most {MOST_LABELS} labels",
        ),
        (
            [Metric(f"m{each}", "gauge") for each in range(MOST_METRICS + 1)],
            f"at most {MOST_METRICS} names",
        ),
    ],
)
def test_a_metric_that_cannot_be_exported_is_named(declared: list[Metric], says: str) -> None:
    evals = [metered(number, metric) for number, metric in enumerate(declared)]
    ((found, problem),) = metric_problems(evals)
    assert found is evals[-1]
    assert says in problem


def test_metrics_without_problems_are_exported_beside_each_other() -> None:
    declared = [
        Metric("tone", "gauge", labels={"kind": "a"}),
        Metric("tone", "gauge", labels={"kind": "b"}),
        Metric("asked", "counter"),
        Metric("length", "histogram"),
        Metric("workers", "gauge"),
    ]
    evals = [metered(number, metric) for number, metric in enumerate(declared)]
    assert list(metric_problems(evals)) == []
    specs, problems = read_evals(evals)
    assert problems == []
    registry = CollectorRegistry()
    counted = EvalMetrics(registry, "agent", "default")
    for each in specs:
        counted.recorded(result_of(each.id), "support", each.metric)
    assert (
        registry.get_sample_value("omnia_eval_tone", {**AGENT, "variant": "stable", "kind": "b"})
        == 0.5
    )
    found = {sample.name for family in registry.collect() for sample in family.samples}
    assert {"omnia_eval_asked_total", "omnia_eval_length_sum", "omnia_eval_workers"} <= found


def result_of(evaluation: str) -> EvalResult:
    return EvalResult(
        session="s",
        turn=1,
        at="2026-03-01T12:00:00.000Z",
        evaluation=evaluation,
        type="contains",
        trigger="every_turn",
        source="inline",
        outcome=EvalOutcome.SCORED,
        score=0.5,
    )
