"""Asks a model again when it did not answer."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import structlog
from msgspec import Struct

from omnia_runtime.observe.audit import current_recorder
from omnia_runtime.ports.model import ChatModel, ChatRequest, ModelEvent, ProviderError
from omnia_runtime.providers.retry_budget import RetryBudget

_log = structlog.get_logger()


class RetryPolicy(Struct, frozen=True):
    """When to ask again; times in seconds.

    Attributes:
        attempts: how often a model is asked, the first time counted.
        first_wait: the longest wait before the second attempt; it doubles with each.
        longest_wait: what the doubling ends at.
        longest_asked_wait: the longest wait that a vendor may ask for; it is not tried again when
            it asks for more.
        patience: after this time since the call began no attempt is begun.
    """

    attempts: int = 3
    first_wait: float = 0.25
    longest_wait: float = 8.0
    longest_asked_wait: float = 30.0
    patience: float = 60.0


class Timing(Struct, frozen=True):
    """The time and chance that waits are made of."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class RetryingModel:
    """A model that is asked again after a failure that may pass, until it has begun to answer.

    What was said cannot be taken back: a stream that breaks after its first event is an error.
    """

    def __init__(
        self,
        model: ChatModel,
        provider: str,
        budget: RetryBudget | None = None,
        policy: RetryPolicy | None = None,
        timing: Timing | None = None,
        retried: Callable[[str], None] | None = None,
    ) -> None:
        """Take a model and its provider's name, which `retried` is told when it is asked again."""
        self._model = model
        self._provider = provider
        self._budget = budget or RetryBudget()
        self._policy = policy or RetryPolicy()
        self._timing = timing or Timing()
        self._retried = retried

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        began = self._timing.clock()
        attempt = 1
        while True:
            answering = False
            try:
                async with aclosing(self._model.stream(request)) as events:
                    async for event in events:
                        answering = True
                        yield event
            except ProviderError as error:
                if answering:
                    raise _noted(error, "the answer was cut, so it is not asked again") from error
                wait = self._wait(error, attempt, began)
                if (trail := current_recorder()) is not None:
                    trail.retried(self._provider, attempt + 1, error)
                if self._retried:
                    self._retried(self._provider)
                _log.warning(
                    "a model is asked again",
                    provider=self._provider,
                    attempt=attempt + 1,
                    wait_seconds=round(wait, 3),
                    reason=error.message,
                )
            else:
                return
            await self._timing.sleep(wait)
            attempt += 1

    def _wait(self, error: ProviderError, attempt: int, began: float) -> float:
        """Return how long to wait before the next attempt.

        Raises:
            ProviderError: there is none; it says why.
        """
        policy = self._policy
        if not error.retryable and attempt == 1:
            raise error
        if not error.retryable or attempt >= policy.attempts:
            raise _noted(error, _after(attempt)) from error
        wait = self._jitter(attempt)
        reason = ""
        if error.retry_after is not None:
            # never sooner than asked, and not everybody at the same moment
            wait += error.retry_after
            if error.retry_after > policy.longest_asked_wait:
                reason = f"it asks to wait {error.retry_after:g} s"
        if not reason and self._timing.clock() - began + wait > policy.patience:
            reason = f"the call has taken {self._timing.clock() - began:.0f} s"
        if not reason and not self._budget.take():
            reason = "too many calls of this provider fail"
        if reason:
            raise _noted(error, f"{_after(attempt)}; not asked again, since {reason}") from error
        return wait

    def _jitter(self, attempt: int) -> float:
        policy = self._policy
        longest = min(policy.first_wait * 2.0 ** (attempt - 1), policy.longest_wait)
        return longest * self._timing.chance()


def _after(attempts: int) -> str:
    return f"after {attempts} attempt{'s' if attempts > 1 else ''}"


def _noted(error: ProviderError, note: str) -> ProviderError:
    return ProviderError(
        f"{error.message} ({note})",
        retryable=error.retryable,
        status=error.status,
        retry_after=error.retry_after,
    )
