"""`python -m omnia_runtime.evals`, as a process: its end, its death, its ports."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from omnia_core.env import RuntimeEnv, SessionType
from omnia_operator.pod_checks import WORKER_BUDGET_CHECK, PodHealth
from tests.collector import Spans, attributes, grpc_collector
from tests.core.session_beds import Bed, bed_of, connected
from tests.programs import PYTHON
from tests.runtime.judging import JUDGED, JudgeServer, environment, results, turn
from tests.runtime.servers import serving
from tests.services import LIMIT, PostgresServer, free_port
from tests.transport import VARIABLES

Start = Callable[[RuntimeEnv, str], "subprocess.Popen[bytes]"]
_BUSY = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'omnia' AND state = 'active'"
)
NAMES = [f"s{number}" for number in range(30)]


@pytest.fixture
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    async with bed_of("postgres", request, evaluated=True) as made:
        yield made


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the program, with the URL of its store."""
    running: list[subprocess.Popen[bytes]] = []

    def run(env: RuntimeEnv, url: str) -> "subprocess.Popen[bytes]":
        variables = {each.name: each.value or "" for each in env.render()}
        with (tmp_path / "stderr").open("ab") as sink:
            process = subprocess.Popen(
                [PYTHON, "-m", "omnia_runtime.evals"],
                env={**os.environ, **VARIABLES, **variables, "OMNIA_SESSION_URL": url},
                stderr=sink,
            )
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()


def of_program(folder: Path, judge: str, **more: object) -> RuntimeEnv:
    return environment(
        folder,
        [JUDGED],
        judge,
        session_type=SessionType.POSTGRES,
        health_port=free_port(),
        bind_address="127.0.0.1",
        **more,
    )


async def read(url: str) -> str:
    """Return what an address answers once it does."""
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
                    return str(answer.read().decode())
            except OSError:
                await asyncio.sleep(0.05)


async def test_a_death_in_mid_work_loses_no_result_and_doubles_none(
    bed: Bed, postgres: PostgresServer, start: Start, tmp_path: Path
) -> None:
    judge = JudgeServer()
    for name in NAMES:
        await turn(bed.store, name)
    async with serving(judge) as url:
        env = of_program(tmp_path, url)
        first = start(env, postgres.url)
        await results(bed.store, NAMES[0], 1)
        judge.gate.clear()
        first.send_signal(signal.SIGKILL)
        await asyncio.to_thread(first.wait)
        judge.gate.set()
        async with connected(postgres.url) as connection:
            # What the dead had sent is done, and then its claims end.
            async with asyncio.timeout(LIMIT):
                while await connection.fetchval(_BUSY):  # noqa: ASYNC110 - of a server
                    await asyncio.sleep(0.01)
            await connection.execute("UPDATE omnia.eval_feed SET claimed_until = now()")
            start(env, postgres.url)
            for name in NAMES:
                await results(bed.store, name, 1)
            counts = await connection.fetchrow(
                "SELECT count(*), count(DISTINCT (session, turn, evaluation, source))"
                " FROM omnia.eval_results"
            )
    assert tuple(counts or ()) == (len(NAMES), len(NAMES))
    # Only what was being asked is asked again: five at once.
    assert len(judge.bodies) <= len(NAMES) + 5


async def test_it_finishes_on_sigterm_and_shows_its_backlog(
    bed: Bed, postgres: PostgresServer, start: Start, tmp_path: Path
) -> None:
    judge = JudgeServer()
    judge.gate.clear()
    await turn(bed.store, "s")
    async with serving(judge) as url:
        env = of_program(tmp_path, url)
        process = start(env, postgres.url)
        await asyncio.wait_for(judge.entered.wait(), LIMIT)
        address = f"http://127.0.0.1:{env.health_port}"
        labels = '{agent="a",namespace="default"}'
        assert f"omnia_eval_worker_backlog{labels} 1.0" in await read(f"{address}/metrics")
        assert await read(f"{address}/readyz")
        process.send_signal(signal.SIGTERM)
        judge.gate.set()
        assert await asyncio.to_thread(process.wait, LIMIT) == 0
    assert len(await bed.store.eval_results("s")) == 1


@pytest.mark.parametrize("content", [False, True], ids=["without content", "with content"])
async def test_its_evaluations_are_spans_with_their_results(
    content: bool, bed: Bed, postgres: PostgresServer, start: Start, tmp_path: Path
) -> None:
    spans = Spans()
    await turn(bed.store, "s")
    with grpc_collector(spans) as endpoint:
        async with serving(JudgeServer()) as url:
            env = of_program(
                tmp_path,
                url,
                tracing_enabled=True,
                tracing_endpoint=endpoint,
                tracing_content=content,
            )
            process = start(env, postgres.url)
            await results(bed.store, "s", 1)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, LIMIT) == 0
        seen = await asyncio.to_thread(spans.named, "evaluate kind", "chat m")
    evaluated, asked = seen["evaluate kind"], seen["chat m"]
    assert (evaluated.parent, asked.parent) == ("", evaluated.id)
    assert evaluated.own["gen_ai.conversation.id"] == "s"
    assert (evaluated.own["omnia.agent.name"], evaluated.own["omnia.turn.index"]) == ("a", 0)
    (event,) = evaluated.span.events
    explanation = {"gen_ai.evaluation.explanation": "fine"} if content else {}
    assert event.name == "gen_ai.evaluation.result"
    assert attributes(event) == {
        "gen_ai.evaluation.name": "kind",
        "gen_ai.evaluation.score.label": "passed",
        "gen_ai.evaluation.score.value": 0.75,
        **explanation,
    }


async def test_it_loads_nothing_of_opentelemetry_while_it_traces_nothing() -> None:
    code = (
        "import sys, omnia_runtime.evals.program;"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    command = [sys.executable, "-c", code]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


async def test_it_tells_the_operator_that_judges_have_spent_their_budget(
    bed: Bed, postgres: PostgresServer, start: Start, tmp_path: Path
) -> None:
    await turn(bed.store, "s")
    async with serving(JudgeServer()) as url:
        # A question costs 0.01.
        env = of_program(tmp_path, url, evals_usd_per_day=0.01)
        start(env, postgres.url)
        await results(bed.store, "s", 1)
        asked = PodHealth(env.health_port, refuses=lambda _: False)
        report = await asked.report(WORKER_BUDGET_CHECK, "p", "127.0.0.1")
        assert report
        assert "0.01 USD a day, is spent" in report.failure
        address = f"http://127.0.0.1:{env.health_port}/metrics"
        labels = '{agent="a",namespace="default"}'
        assert f"omnia_eval_budget_used_ratio{labels} 1.0" in await read(address)


async def test_it_refuses_sessions_that_it_cannot_see(start: Start, tmp_path: Path) -> None:
    process = start(environment(tmp_path, [JUDGED]), "")
    assert await asyncio.to_thread(process.wait, LIMIT) == 2
    assert "the runtime evaluates them itself" in (tmp_path / "stderr").read_text()
