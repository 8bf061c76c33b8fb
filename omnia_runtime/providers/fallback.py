"""Fallback to another provider when one is unavailable."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import structlog

from omnia_core.sessions.audit import EventKind
from omnia_runtime.observe.audit import record_event
from omnia_runtime.ports.model import ChatModel, ChatRequest, ModelEvent, ProviderError

_log = structlog.get_logger()


class FallbackModel:
    """Calls models in order until one begins to answer.

    A permanent failure, such as a refused key, ends the call: a fallback must not hide it.
    """

    def __init__(
        self,
        models: Sequence[tuple[str, ChatModel]],
        fell_back: Callable[[str], None] | None = None,
    ) -> None:
        """Wrap models, each with the name of its provider.

        `fell_back` is called with the name of a provider when the next one is called instead.
        """
        self._models = tuple(models)
        self._fell_back = fell_back

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        failures: list[ProviderError] = []
        for name, model in self._models:
            answering = False
            try:
                async with aclosing(model.stream(request)) as events:
                    async for event in events:
                        answering = True
                        yield event
            except ProviderError as error:
                failures.append(error)
                if answering or not error.retryable or len(failures) == len(self._models):
                    if len(failures) == 1:
                        raise
                    raise _together(failures, answering) from error
                if self._fell_back:
                    self._fell_back(name)
                following = self._models[len(failures)][0]
                record_event(EventKind.PROVIDER_FALLBACK, f"{name} to {following}")
                _log.warning(
                    "a provider is unavailable, calling the next one",
                    provider=name,
                    next=following,
                    reason=error.message,
                )
            else:
                return


def _together(failures: list[ProviderError], answering: bool) -> ProviderError:
    messages = "; then ".join(failure.message for failure in failures)
    # The last one is what to mend if it is permanent, and as good as the others if it is not.
    advice = failures[-1].advice
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    return ProviderError(
        messages if answering else f"no provider answered: {messages}",
        retryable=any(failure.retryable for failure in failures),
        status=failures[-1].status,
        retry_after=min(waits, default=None),
        advice=advice,
    )
