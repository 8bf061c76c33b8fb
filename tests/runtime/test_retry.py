"""Which failures are tried again, when, and what is said in the end."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from omnia_core.files.providers import ProviderConfig, ProviderDefaults
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient, retry_after
from omnia_runtime.ports.model import ChatRequest, ModelEvent, ProviderError, TextDelta
from omnia_runtime.providers.openai.adapter import OpenAIModel
from omnia_runtime.providers.retry import ModelRetryPolicy, RetryBudget, RetryingModel, Timing
from tests.runtime.faulty import Fault, FaultyServer, hangs_up, late, status, streams
from tests.runtime.scripted import Round, ScriptedModel, says
from tests.services import free_port

LIMIT = 100.0
HI = ChatRequest("", [Message("user", "hi")])


class Clock:
    """A clock that only waiting moves, and a chance that is always the same."""

    def __init__(self, chance: float = 1.0) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self._chance = chance

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def timing(self) -> Timing:
        return Timing(lambda: self.now, self.sleep, lambda: self._chance)


def failed(number: int = 529, wait: float | None = None, *, retryable: bool = True) -> Round:
    return [ProviderError(f"status {number}", retryable=retryable, status=number, retry_after=wait)]


async def collect(stream: AsyncGenerator[ModelEvent, None]) -> str:
    async with asyncio.timeout(LIMIT):
        return "".join([event.text async for event in stream if isinstance(event, TextDelta)])


class Vendor:
    """The OpenAI adapter with its retries, on a server."""

    def __init__(self, url: str, clock: Clock, timeout: str = "5s") -> None:
        self.client = HTTPClient()
        defaults = ProviderDefaults(request_timeout=timeout, stream_idle_timeout="50ms")
        config = ProviderConfig("p", "openai", "m", base_url=url, defaults=defaults)
        model = OpenAIModel(config, None, "", self.client)
        self.model = RetryingModel(model, "p", timing=clock.timing())

    async def ask(self) -> str:
        try:
            return await collect(self.model.stream(HI))
        finally:
            await self.client.close()


async def answer(*faults: Fault, clock: Clock | None = None, timeout: str = "5s") -> str:
    server = FaultyServer(*faults)
    async with server.serving() as url:
        said = await Vendor(url, clock or Clock(), timeout).ask()
    assert server.asked == len(faults)
    return said


@pytest.mark.parametrize("number", [408, 429, 500, 502, 503, 504, 529])
async def test_a_status_that_may_pass_is_tried_again(number: int) -> None:
    assert await answer(status(number), streams("well")) == "well"


@pytest.mark.parametrize("number", [400, 401, 403, 404, 413, 422])
async def test_a_status_that_will_not_pass_is_told_at_once(number: int) -> None:
    with pytest.raises(ProviderError, match=str(number)) as caught:
        await answer(status(number))
    assert "attempt" not in caught.value.message


async def test_an_overloaded_vendor_is_named_with_its_status_and_the_number_of_attempts() -> None:
    with pytest.raises(ProviderError) as caught:
        await answer(*[status(529, "overloaded")] * 3)
    assert caught.value.message == (
        'the provider "p" (openai) answered with status 529: overloaded (after 3 attempts)'
    )
    assert (caught.value.status, caught.value.retryable) == (529, True)


async def test_a_retry_after_is_waited_for_and_never_less() -> None:
    clock = Clock()
    asked = status(429, headers={"Retry-After": "7"})
    assert await answer(asked, streams("well"), clock=clock) == "well"
    assert clock.waits == [7.25]


async def test_a_retry_after_that_is_too_long_is_not_waited_for_and_said() -> None:
    clock = Clock()
    with pytest.raises(ProviderError, match=r"after 1 attempt; .* asks to wait 120 s") as caught:
        await answer(status(429, headers={"Retry-After": "120"}), clock=clock)
    assert clock.waits == []
    assert caught.value.retry_after == 120


async def test_a_stream_that_is_cut_before_its_first_token_is_asked_for_again() -> None:
    assert await answer(streams(ending="cut"), hangs_up, streams("well")) == "well"


async def test_a_stream_that_is_cut_after_three_tokens_is_an_error_that_says_so() -> None:
    server = FaultyServer(streams("a", "b", "c", ending="cut"))
    async with server.serving() as url, asyncio.timeout(LIMIT):
        vendor = Vendor(url, Clock())
        stream = vendor.model.stream(HI)
        assert [await anext(stream) for _ in "abc"] == [TextDelta(word) for word in "abc"]
        with pytest.raises(ProviderError, match="the answer was cut"):
            await anext(stream)
        await vendor.client.close()
    assert server.asked == 1


async def test_a_stall_before_the_first_token_is_asked_for_again() -> None:
    assert await answer(streams(ending="silent"), streams("well"), timeout="300ms") == "well"


async def test_a_stall_after_the_first_token_is_an_error() -> None:
    with pytest.raises(ProviderError, match=r"silent for 0\.05 s .*the answer was cut"):
        await answer(streams("a", ending="silent"))


async def test_a_slow_first_byte_is_waited_for() -> None:
    opened = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, opened.set)
    assert await answer(late(opened, "well")) == "well"


async def test_a_first_byte_that_is_too_slow_is_asked_for_again() -> None:
    never = late(asyncio.Event(), "late")
    assert await answer(never, streams("well"), timeout="300ms") == "well"


async def test_a_refused_connection_is_tried_three_times() -> None:
    clock, url = Clock(), f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ProviderError, match=r"cannot be reached .* \(after 3 attempts\)"):
        await Vendor(url, clock).ask()
    assert clock.waits == [0.25, 0.5]


async def test_waits_double_up_to_the_longest_and_are_drawn_from_the_whole_range() -> None:
    clock = Clock(chance=0.5)
    model = ScriptedModel(*[failed()] * 5, says("well"))
    policy = ModelRetryPolicy(attempts=6, first_wait=1, longest_wait=4)
    assert await collect(RetryingModel(model, "p", None, policy, clock.timing()).stream(HI))
    assert clock.waits == [0.5, 1, 2, 2, 2]


async def test_the_usual_waits_double_up_to_eight_seconds() -> None:
    clock = Clock()
    model = ScriptedModel(*[failed()] * 8, says("well"))
    policy = ModelRetryPolicy(attempts=9)
    assert await collect(RetryingModel(model, "p", None, policy, clock.timing()).stream(HI))
    assert clock.waits == [0.25, 0.5, 1, 2, 4, 8, 8, 8]


async def test_no_attempt_begins_when_the_call_has_taken_long() -> None:
    clock = Clock()
    model = ScriptedModel(failed(429, 25), failed(429, 25), failed(429, 25), says("late"))
    retrying = RetryingModel(model, "p", None, ModelRetryPolicy(attempts=9), clock.timing())
    with pytest.raises(ProviderError, match=r"after 3 attempts; .* has taken 51 s"):
        await collect(retrying.stream(HI))


async def test_a_failure_that_will_not_pass_ends_the_attempts() -> None:
    model = ScriptedModel(failed(), failed(400, retryable=False))
    with pytest.raises(ProviderError, match=r"status 400 \(after 2 attempts\)") as caught:
        await collect(RetryingModel(model, "p", timing=Clock().timing()).stream(HI))
    assert not caught.value.retryable


async def test_all_conversations_share_the_retries_of_a_provider() -> None:
    clock = Clock()
    budget = RetryBudget(per_second=1, burst=3, clock=lambda: clock.now)
    model = ScriptedModel(*[failed()] * 6, says("well"))
    timing = Timing(lambda: clock.now, lambda _: asyncio.sleep(0), lambda: 0.0)
    retrying = RetryingModel(model, "p", budget, timing=timing)
    with pytest.raises(ProviderError, match="after 3 attempts"):
        await collect(retrying.stream(HI))
    with pytest.raises(ProviderError, match=r"after 2 attempts; .* too many calls"):
        await collect(retrying.stream(HI))
    clock.now += 1
    assert await collect(retrying.stream(HI)) == "well"


async def test_a_cancelled_turn_does_not_wait_for_its_retry() -> None:
    waiting, model = asyncio.Event(), ScriptedModel(failed())

    async def sleep(seconds: float) -> None:
        waiting.set()
        await asyncio.sleep(3600)

    retrying = RetryingModel(model, "p", timing=Timing(sleep=sleep))
    turn = asyncio.create_task(collect(retrying.stream(HI)))
    async with asyncio.timeout(LIMIT):
        await waiting.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
    assert len(model.requests) == 1


async def test_the_longest_wait_that_a_vendor_may_ask_for_is_waited_for() -> None:
    clock = Clock(chance=0)
    model = ScriptedModel(failed(429, 30), says("well"))
    assert await collect(RetryingModel(model, "p", timing=clock.timing()).stream(HI)) == "well"
    assert clock.waits == [30]
    model = ScriptedModel(failed(429, 30.5), says("never"))
    with pytest.raises(ProviderError, match=r"after 1 attempt; .* asks to wait 30\.5 s"):
        await collect(RetryingModel(model, "p", timing=clock.timing()).stream(HI))


async def test_the_last_attempt_may_begin_at_the_end_of_the_patience() -> None:
    clock = Clock(chance=0)
    model = ScriptedModel(*[failed(429, 30)] * 2, says("well"))
    assert await collect(RetryingModel(model, "p", timing=clock.timing()).stream(HI)) == "well"
    assert clock.now == 60


@pytest.mark.parametrize(
    ("attempts", "calls", "message"),
    [
        (None, 3, "busy (after 3 attempts)"),
        (2, 2, "busy (after 2 attempts)"),
        (1, 1, "busy"),
        (9, 3, "busy (after 3 attempts)"),
    ],
)
async def test_a_failure_may_ask_for_fewer_attempts(
    attempts: int | None, calls: int, message: str
) -> None:
    error = ProviderError("busy", retryable=True, status=503, retry_after=0.5, attempts=attempts)
    model = ScriptedModel(*[[error] for _ in range(calls)], says("never"))
    with pytest.raises(ProviderError) as caught:
        await collect(RetryingModel(model, "p", timing=Clock(0).timing()).stream(HI))
    found = caught.value
    assert (found.message, len(model.requests)) == (message, calls)
    assert (found.retryable, found.status, found.retry_after, found.attempts) == (
        True,
        503,
        0.5,
        attempts,
    )


async def test_the_caller_is_told_of_each_retry_and_not_of_the_last_failure() -> None:
    told: list[str] = []
    model = ScriptedModel(*[failed()] * 3)
    retrying = RetryingModel(model, "p", timing=Clock().timing(), retried=told.append)
    with pytest.raises(ProviderError):
        await collect(retrying.stream(HI))
    assert told == ["p", "p"]


def test_retries_fill_up_with_time_and_only_to_the_burst() -> None:
    clock = Clock()
    budget = RetryBudget(per_second=2, burst=3, clock=lambda: clock.now)

    def taken() -> int:
        return [budget.take() for _ in range(9)].count(True)

    found = []
    for seconds in (0, 0.25, 0.25, 1, 100):
        clock.now += seconds
        found.append(taken())
    assert found == [3, 0, 1, 2, 3]


WAITS: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"Retry-After": "7"}, 7),
    ({"Retry-After": "0.5"}, 0.5),
    ({"Retry-After": "soon"}, None),
    ({"Retry-After": "-3"}, None),
    ({"Retry-After": "nan"}, None),
    ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90),
    ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
    ({"Retry-After": "7", "retry-after-ms": "1500"}, 1.5),
    ({"Retry-After": "7", "x-ms-retry-after-ms": "1500"}, 1.5),
    ({"Retry-After": "7s"}, 7),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
def test_the_wait_that_a_vendor_asks_for_is_read_from_seconds_and_dates(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, now=10.0) == seconds
