"""The event loop of the tests: it is closed before grpcio is done, and its time can be advanced.

grpcio has one queue of completed operations for all event loops of a process, and nothing waits
until those of a closed channel or server have passed it. The loop of the next test takes them out
and hands each to its own loop. If that loop is closed, the error ends the delivery, and everything
behind it in the queue stays there: the next test would wait for it. A program has one loop.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")
_GRPCIO = "grpc._cython.cygrpc"


async def pass_time(seconds: float) -> None:
    """Let so much time pass at once, with everything that is due by then."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, TestLoop)
    over = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    loop.advance(seconds)
    await over


class TestLoop(asyncio.SelectorEventLoop):
    """The event loop of one test."""

    __test__ = False

    def __init__(self) -> None:
        self._advanced = 0.0
        super().__init__()

    def time(self) -> float:
        return super().time() + self._advanced

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once: what is due by then is called in the next round."""
        self._advanced += seconds

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Call soon, from any thread; drop what grpcio has completed for a closed loop."""
        try:
            return super().call_soon_threadsafe(callback, *args, context=context)
        except RuntimeError:
            if not self.is_closed() or getattr(callback, "__module__", "") != _GRPCIO:
                raise
            return asyncio.Handle(callback, args, self, context)
