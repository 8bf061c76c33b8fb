"""Gives each call of a model the parameters of its Provider."""

from collections.abc import AsyncGenerator

from msgspec import structs

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderDefaults
from omnia_runtime.ports.model import ChatModel, ChatRequest, ModelEvent


class DefaultedModel:
    """A model whose Provider fills in what a request leaves open; a fallback has its own."""

    def __init__(self, model: ChatModel, defaults: ProviderDefaults) -> None:
        self._model = model
        self._defaults = defaults

    def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        parameters = with_defaults(request.parameters, self._defaults)
        return self._model.stream(structs.replace(request, parameters=parameters))


def with_defaults(own: Parameters, defaults: ProviderDefaults) -> Parameters:
    """Return `own` with what it leaves open taken from `defaults`; 0 is a value, None is none."""
    return structs.replace(
        own,
        temperature=defaults.temperature if own.temperature is None else own.temperature,
        top_p=defaults.top_p if own.top_p is None else own.top_p,
        max_tokens=defaults.max_tokens if own.max_tokens is None else own.max_tokens,
    )
