"""Metrics and audit records of a model's calls."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from omnia_core.conversation.usage import Usage
from omnia_core.sessions.audit import CallStatus
from omnia_runtime.observe.audit import current_recorder
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.model import ChatModel, ChatRequest, Finished, ModelEvent


class MeteredModel:
    """A model whose calls are counted, and recorded in the audit trail of the turn."""

    def __init__(self, model: ChatModel, provider: str, name: str, metrics: RuntimeMetrics) -> None:
        self._model = model
        self._provider = provider
        self._name = name
        self._metrics = metrics

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        began = time.monotonic()
        status: CallStatus = "cancelled"
        waiting, usage, failure = True, Usage(), None
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    if waiting:
                        waiting = False
                        first = time.monotonic() - began
                        self._metrics.answering(self._provider, self._name, first)
                    if type(event) is Finished:
                        status, usage = "success", event.usage
                        self._metrics.used(self._provider, self._name, event.usage)
                    yield event
        except Exception as error:
            status, failure = "error", error
            raise
        finally:
            took = time.monotonic() - began
            self._metrics.model_called(self._provider, self._name, status, took)
            if (trail := current_recorder()) is not None:
                trail.provider_called(self._provider, self._name, status, took, usage, failure)
