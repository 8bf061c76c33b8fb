"""How long a call may take, how many there may be, and what becomes of who went away."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
import structlog

from omnia_core.units import Duration
from tests.facade.conftest import Running
from tests.facade.functions_bed import FunctionRuntime, Served, call, function, served
from tests.facade.scripted_runtime import LIMIT

# One facade serves all tests of this file, so they share an event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served(
        tmp_path_factory.mktemp("function"), turn_timeout=Duration.parse("90s")
    ) as both:
        yield both


@pytest.fixture
def runtime(shared: Served) -> FunctionRuntime:
    shared.runtime.reset()
    return shared.runtime


@pytest.fixture
def facade(shared: Served, runtime: FunctionRuntime) -> Running:
    return shared.facade


@pytest.mark.parametrize(
    ("prefer", "seconds", "applied"),
    [
        (["wait=20"], 20, "wait=20"),
        (['respond-async, WAIT = "7"; x=1'], 7, "wait=7"),
        (["return=minimal", "wait=5"], 5, "wait=5"),
        (["wait=900"], 90, None),
        (["wait=0"], 90, None),
        (["wait=-1"], 90, None),
        (["wait=soon, wait=5.5"], 90, None),
        ([], 90, None),
    ],
)
async def test_a_caller_may_shorten_the_time(
    facade: Running,
    runtime: FunctionRuntime,
    prefer: list[str],
    seconds: float,
    applied: str | None,
) -> None:
    answer = await call(facade, headers=[("Prefer", each) for each in prefer])

    assert answer.status == 200
    assert answer.headers.get("Preference-Applied") == applied
    assert runtime.seconds == [pytest.approx(seconds, abs=1)]


async def test_when_the_time_is_over_it_is_502_and_the_runtime_stops(
    facade: Running, runtime: FunctionRuntime
) -> None:
    runtime.hold = asyncio.Event()
    answer = await call(facade, headers=[("Prefer", "wait=1")])

    assert (answer.status, answer.body["error"]) == (502, "runtime_error")
    assert answer.body["detail"] == "the runtime did not answer within 1 s"
    async with asyncio.timeout(LIMIT):
        await runtime.cancelled.wait()


async def test_a_call_whose_caller_went_away_is_cancelled(
    facade: Running, runtime: FunctionRuntime
) -> None:
    runtime.hold = asyncio.Event()
    gone = asyncio.create_task(call(facade))
    await runtime.turn_began.wait()
    gone.cancel()
    async with asyncio.timeout(LIMIT):
        await runtime.cancelled.wait()


async def test_more_calls_than_allowed_are_told_to_come_back(
    runtime: FunctionRuntime, tmp_path: Path
) -> None:
    runtime.hold = asyncio.Event()
    async with function(runtime, tmp_path, max_calls=1) as facade:
        first = asyncio.create_task(call(facade))
        await runtime.turn_began.wait()
        refused = await call(facade)
        assert (refused.status, refused.body["error"]) == (503, "overloaded")
        assert refused.headers["Retry-After"] == "1"
        runtime.hold.set()
        assert (await first).status == 200
        assert (await call(facade)).status == 200


@pytest.mark.parametrize(
    ("body", "broken", "status"),
    [
        ({"text": "x"}, None, 200),
        ({"text": 1}, None, 400),
        ({"text": "x"}, grpc.StatusCode.INTERNAL, 502),
    ],
)
async def test_every_call_has_an_id_in_its_answer_and_in_the_log(
    facade: Running,
    runtime: FunctionRuntime,
    body: object,
    broken: grpc.StatusCode | None,
    status: int,
) -> None:
    runtime.invoke_status = broken
    with structlog.testing.capture_logs() as logged:
        answer = await call(facade, body)

    (line,) = [each for each in logged if each["event"] == "function called"]
    assert answer.status == status
    assert answer.headers["X-Invocation-Id"] == line["invocation_id"]
    assert line["outcome"] == answer.body.get("error", "success")
    assert [each.invocation_id for each in runtime.invoked] == (
        [line["invocation_id"]] if status != 400 else []
    )


async def test_a_body_that_is_too_large_has_an_id_too(facade: Running) -> None:
    answer = await call(facade, io.BytesIO(b" " * (2 << 20)))
    assert answer.status == 413
    assert answer.headers["X-Invocation-Id"]
