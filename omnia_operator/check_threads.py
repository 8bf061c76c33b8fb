"""Runs checks that take CPU in threads, so that the event loop goes on beside them.

A thread cannot be stopped, so a check has to end by itself: documents have limits for that.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

# More threads than processors: a large document of one namespace leaves threads for the others.
_THREADS = 8


class CheckThreads:
    """Threads for checks. A namespace has one of them at most; the next check of it waits."""

    def __init__(self, threads: int = _THREADS) -> None:
        """`threads` is how many namespaces can be checked at the same time."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="check")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, namespace: str, check: Callable[[], T]) -> T:
        """Return the result of a check of a resource in `namespace`.

        A check whose caller is cancelled goes on, and keeps the turn of its namespace.
        """
        turn = self._turns.get(namespace)
        if turn is None:
            turn = self._turns[namespace] = asyncio.Lock()
        await turn.acquire()
        try:
            work = asyncio.get_running_loop().run_in_executor(self._pool, check)
        except BaseException:
            turn.release()
            raise
        work.add_done_callback(lambda done: _ended(turn, done))
        return await asyncio.shield(work)


def _ended(turn: asyncio.Lock, work: "asyncio.Future[T]") -> None:
    turn.release()
    with suppress(asyncio.CancelledError):
        # Otherwise asyncio logs the error of a check whose caller was cancelled.
        work.exception()
