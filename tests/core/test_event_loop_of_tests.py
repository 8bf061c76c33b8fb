"""The event loop of the tests, over grpcio."""

import asyncio
import socket
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple, Unpack

import pytest
from grpc import aio

from tests.event_loop import TestLoop, pass_time
from tests.services import LIMIT

Ts = TypeVarTuple("Ts")


class Left(TestLoop):
    """Remembers that something was completed after it was closed."""

    completed = False

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self.completed |= self.is_closed()
        return super().call_soon_threadsafe(callback, *args, context=context)


async def leave_a_call(port: int) -> object:
    """Begin a call, and return what keeps it."""
    channel = aio.insecure_channel(f"127.0.0.1:{port}")
    begin: Any = channel.unary_unary("/a/b")
    call = begin(b"")
    await asyncio.sleep(0)
    return channel, call


async def test_what_is_completed_for_a_closed_loop_does_not_hold_up_the_loop_of_the_next_test() -> (
    None
):
    faults: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, fault: faults.append(fault))
    own = aio.insecure_channel("127.0.0.1:1")
    left = Left()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        def begin() -> object:
            with asyncio.Runner(loop_factory=lambda: left) as runner:
                return runner.run(leave_a_call(port))

        kept = await asyncio.to_thread(begin)
    # Nobody listens any more: the call fails.
    async with asyncio.timeout(LIMIT):
        while not left.completed:  # noqa: ASYNC110 - of a thread of grpcio
            await asyncio.sleep(0.01)
    assert faults == []
    assert kept
    await own.close()


async def test_other_callbacks_for_a_closed_loop_are_an_error() -> None:
    loop = TestLoop()
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_soon_threadsafe(print)


async def test_time_that_passes_at_once_has_everything_done_that_is_due() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    done: list[str] = []
    loop.call_later(LIMIT + 1, done.append, "later")
    loop.call_later(LIMIT - 1, done.append, "earlier")
    await pass_time(LIMIT)
    assert done == ["earlier"]
    assert loop.time() - began >= LIMIT
