"""Retries a model call that failed before the answer began."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import structlog
from msgspec import Struct

from omnia_runtime.observe.audit import current_recorder
from omnia_runtime.ports.model import ChatModel, ChatRequest, ModelEvent, ProviderError

_log = structlog.get_logger()


class ModelRetryPolicy(Struct, frozen=True):
    """When to retry; times in seconds.

    Attributes:
        attempts: the number of attempts, including the first.
        first_wait: the longest wait before the second attempt; it doubles with each attempt.
        longest_wait: the limit of the doubling.
        longest_asked_wait: the longest wait that a vendor may ask for; if it asks for a longer one,
            there is no retry.
        patience: no attempt begins later than this after the beginning of the call.
    """

    attempts: int = 3
    first_wait: float = 0.25
    longest_wait: float = 8.0
    longest_asked_wait: float = 30.0
    patience: float = 60.0


class Timing(Struct, frozen=True):
    """The clock, the sleep and the random numbers behind the waits; tests replace them."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class RetryBudget:
    """The retries that all conversations of a provider share: a token bucket.

    It keeps the load low on a vendor that is down.
    """

    def __init__(
        self,
        per_second: float = 5.0,
        burst: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled = clock()

    def take(self) -> bool:
        """Use one retry; False when none is left."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._per_second)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class RetryingModel:
    """A model whose calls are retried after a retryable failure.

    There is no retry after the first event of an answer: what was streamed cannot be taken back.
    """

    def __init__(
        self,
        model: ChatModel,
        provider: str,
        budget: RetryBudget | None = None,
        policy: ModelRetryPolicy | None = None,
        timing: Timing | None = None,
        retried: Callable[[str], None] | None = None,
    ) -> None:
        """Wrap a model; `retried` is called with the name of its provider for each retry."""
        self._model = model
        self._provider = provider
        self._budget = budget or RetryBudget()
        self._policy = policy or ModelRetryPolicy()
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
                    raise _noted(error, "the answer was cut, so there is no retry") from error
                wait = self._wait(error, attempt, began)
                if (trail := current_recorder()) is not None:
                    trail.retried(self._provider, attempt + 1, error)
                if self._retried:
                    self._retried(self._provider)
                _log.warning(
                    "retrying the call of a model",
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
        """Return the seconds to wait before the next attempt.

        Raises:
            ProviderError: there is no further attempt; the message says why.
        """
        policy = self._policy
        attempts = min(policy.attempts, error.attempts or policy.attempts)
        if attempt == 1 and (not error.retryable or attempts == 1):
            raise error
        if not error.retryable or attempt >= attempts:
            raise _noted(error, _after(attempt)) from error
        wait = self._jitter(attempt)
        reason = ""
        if error.retry_after is not None:
            # Never earlier than asked, and not all callers at the same moment.
            wait += error.retry_after
            if error.retry_after > policy.longest_asked_wait:
                reason = f"it asks to wait {error.retry_after:g} s"
        if not reason and self._timing.clock() - began + wait > policy.patience:
            reason = f"the call has taken {self._timing.clock() - began:.0f} s"
        if not reason and not self._budget.take():
            reason = "too many calls of this provider fail"
        if reason:
            raise _noted(error, f"{_after(attempt)}; no retry, since {reason}") from error
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
        attempts=error.attempts,
        advice=error.advice,
    )
