"""Counts the calls of a model."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from omnia_runtime.metrics import Metrics
from omnia_runtime.providers.port import ChatModel, ChatRequest, Finished, ModelEvent


class MeteredModel:
    """A model whose calls are counted."""

    def __init__(self, model: ChatModel, provider: str, name: str, metrics: Metrics) -> None:
        self._model = model
        self._provider = provider
        self._name = name
        self._metrics = metrics

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        began = time.monotonic()
        status = "cancelled"
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    if type(event) is Finished:
                        status = "success"
                        self._metrics.used(self._provider, self._name, event.usage)
                    yield event
        except Exception:
            status = "error"
            raise
        finally:
            took = time.monotonic() - began
            self._metrics.model_called(self._provider, self._name, status, took)
