"""The order of steps around a call with a key, and what happens when one of them fails."""

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from omnia_core.env import FacadeEnv, SecretStr
from omnia_core.env.shared import SessionType
from omnia_facade.auth.principal import Principal
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed
from omnia_facade.functions.function import FunctionAnswer, FunctionInvocation
from omnia_facade.idempotency.calls import (
    IdempotentCalls,
    fingerprint_of,
    replayed,
    scope_of,
)
from omnia_facade.idempotency.memory import MemoryReplyStore
from omnia_facade.idempotency.opening import open_reply_store
from omnia_facade.idempotency.store import ExistingClaim
from tests.services import RedisServer

INPUT = '{"a": 1}'


def invocation(number: int, *, key: str | None = "k", seconds: float = 60.0) -> FunctionInvocation:
    return FunctionInvocation(f"call-{number}", Principal("mia"), seconds, key)


async def good(number: int = 1) -> FunctionAnswer:
    return FunctionAnswer(f"call-{number}", b'{"b":2}')


async def refused(calls: IdempotentCalls, number: int, text: str = INPUT) -> FunctionErrorCode:
    with pytest.raises(FunctionFailed) as caught:
        await calls.answer(text, invocation(number), good)
    return caught.value.code


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_reply_is_kept_for_a_day() -> None:
    clock = Clock()
    calls = IdempotentCalls(MemoryReplyStore(clock=clock))
    await calls.answer(INPUT, invocation(1), good)

    clock.now = 86_399
    again = await calls.answer(INPUT, invocation(2), good)
    assert (again.invocation_id, again.body, again.replayed) == ("call-1", b'{"b":2}', True)
    clock.now = 86_400
    assert not (await calls.answer(INPUT, invocation(3), good)).replayed


async def test_a_call_that_never_ended_holds_its_key_for_its_deadline_and_a_margin() -> None:
    clock = Clock()
    calls = IdempotentCalls(MemoryReplyStore(clock=clock))
    begun, ended = asyncio.Event(), asyncio.Event()

    async def never() -> FunctionAnswer:
        begun.set()
        await ended.wait()
        return await good()

    running = asyncio.create_task(calls.answer(INPUT, invocation(1, seconds=30), never))
    await begun.wait()
    clock.now = 44
    assert await refused(calls, 2) is FunctionErrorCode.IDEMPOTENCY_IN_PROGRESS
    clock.now = 45
    third = await calls.answer(INPUT, invocation(3), lambda: good(3))
    assert not third.replayed
    assert not running.done()
    ended.set()
    await running
    # Another call holds the key by now, and its reply stands.
    assert (await calls.answer(INPUT, invocation(4), good)).invocation_id == "call-3"


@pytest.mark.parametrize(
    "error", [RuntimeError("a fault"), FunctionFailed(FunctionErrorCode.RUNTIME_ERROR, "away")]
)
async def test_a_call_that_failed_frees_its_key_and_its_error_is_raised(error: Exception) -> None:
    calls = IdempotentCalls(MemoryReplyStore())

    async def bad() -> FunctionAnswer:
        raise error

    with pytest.raises(type(error)) as caught:
        await calls.answer(INPUT, invocation(1), bad)
    assert caught.value is error
    assert not (await calls.answer(INPUT, invocation(2), good)).replayed


async def test_a_call_whose_caller_went_away_goes_on_to_its_reply() -> None:
    calls = IdempotentCalls(MemoryReplyStore())
    begun, ended = asyncio.Event(), asyncio.Event()

    async def run() -> FunctionAnswer:
        begun.set()
        await ended.wait()
        return await good()

    caller = asyncio.create_task(calls.answer(INPUT, invocation(1), run))
    await begun.wait()
    caller.cancel()
    await asyncio.wait({caller}, timeout=0.05)
    # The shutdown of the server waits for its callers.
    assert not caller.done()
    ended.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert (await calls.answer(INPUT, invocation(2), good)).invocation_id == "call-1"


async def test_the_error_of_a_call_whose_caller_went_away_is_not_reported_by_asyncio() -> None:
    calls = IdempotentCalls(MemoryReplyStore())
    begun, ended = asyncio.Event(), asyncio.Event()
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    async def bad() -> FunctionAnswer:
        begun.set()
        await ended.wait()
        raise FunctionFailed(FunctionErrorCode.RUNTIME_ERROR, "away")

    caller = asyncio.create_task(calls.answer(INPUT, invocation(1), bad))
    await begun.wait()
    caller.cancel()
    ended.set()
    await asyncio.wait({caller})
    assert caller.cancelled()
    del caller
    gc.collect()
    assert reported == []


@pytest.fixture
def program(need_program: Callable[[str, str], str]) -> str:
    return need_program("redis-server", "apt-get install redis-server")


@pytest.mark.parametrize("fails", [False, True])
async def test_a_store_that_dies_during_a_call_costs_the_caller_nothing(
    program: str, tmp_path: Path, *, fails: bool
) -> None:
    server = RedisServer(program, tmp_path)
    server.start()
    store = open_reply_store(
        FacadeEnv(
            agent_name="a",
            namespace="n",
            session_type=SessionType.REDIS,
            session_url=SecretStr(server.url),
        )
    )

    async def run() -> FunctionAnswer:
        server.kill()
        if fails:
            raise FunctionFailed(FunctionErrorCode.RUNTIME_ERROR, "away")
        return await good()

    calls = IdempotentCalls(store)
    try:
        if fails:
            with pytest.raises(FunctionFailed) as caught:
                await calls.answer(INPUT, invocation(1), run)
            assert caught.value.code is FunctionErrorCode.RUNTIME_ERROR
        else:
            assert (await calls.answer(INPUT, invocation(1), run)).body == b'{"b":2}'
    finally:
        await store.close()


def test_a_stored_reply_that_cannot_be_read_is_not_an_answer() -> None:
    print_ = fingerprint_of(INPUT)
    for stored in (b"", b"\xff", b"{}"):
        with pytest.raises(FunctionFailed) as caught:
            replayed(ExistingClaim(print_, stored), print_)
        assert caught.value.code is FunctionErrorCode.IDEMPOTENCY_UNAVAILABLE


async def test_a_failure_that_completed_the_call_is_replayed_as_it_was() -> None:
    calls = IdempotentCalls(MemoryReplyStore())
    failure = FunctionFailed(
        FunctionErrorCode.OUTPUT_INVALID, "no summary", raw_output="hm…", raw_output_truncated=True
    )

    async def wrong() -> FunctionAnswer:
        raise failure

    with pytest.raises(FunctionFailed):
        await calls.answer(INPUT, invocation(1), wrong)
    with pytest.raises(FunctionFailed) as caught:
        await calls.answer(INPUT, invocation(2), good)
    assert caught.value.body == failure.body
    assert caught.value.replay_of == "call-1"


def test_a_scope_belongs_to_one_caller_and_one_key() -> None:
    callers = [
        Principal("mia"),
        Principal("mia", "oidc"),
        Principal("mia", end_user="zoe"),
        Principal("zoe"),
        Principal(""),
        Principal("mi", end_user="a"),
    ]
    scopes = {scope_of(caller, key) for caller in callers for key in ("k", "k2", "")}
    assert len(scopes) == 3 * len(callers)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a":1,"b":[1,2]}', '{ "b" : [1, 2], "a": 1 }', True),
        ('{"a":{"x":1,"y":2}}', '{"a":{"y":2,"x":1}}', True),
        ('{"a":1}', '{"a":2}', False),
        ('{"a":[1,2]}', '{"a":[2,1]}', False),
        ('{"a":"1"}', '{"a":1}', False),
        ('{"a":null}', "{}", False),
    ],
)
def test_an_input_is_the_same_whatever_the_order_of_its_keys(
    one: str, other: str, *, same: bool
) -> None:
    assert (fingerprint_of(one) == fingerprint_of(other)) is same
