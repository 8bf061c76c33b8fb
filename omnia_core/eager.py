"""Eager start of asyncio tasks."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def start_eagerly(coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Run a coroutine in a task, up to its first suspension before this returns.

    A coroutine that never suspends is then done, without a round of the event loop. CPython 3.11
    does not support this and starts the task in the next round.
    """
    loop = asyncio.get_running_loop()
    if sys.version_info < (3, 12):
        return loop.create_task(coroutine)
    return asyncio.Task(coroutine, loop=loop, eager_start=True)
