"""The event loop of the tests, over grpcio."""

import asyncio

import pytest
from grpc import aio

from tests.event_loop import TestLoop, pass_time
from tests.services import LIMIT


def test_what_grpcio_completes_for_a_closed_loop_is_dropped() -> None:
    loop = TestLoop()
    loop.close()
    # Of the module whose queue hands what is completed to the loops of a process.
    assert aio.AbortError.__module__ == "grpc._cython.cygrpc"
    loop.call_soon_threadsafe(aio.AbortError)


def test_other_callbacks_for_a_closed_loop_are_an_error() -> None:
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
