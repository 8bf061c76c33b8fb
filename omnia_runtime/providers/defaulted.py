"""Default parameters of a Provider."""

from collections.abc import AsyncGenerator

from msgspec import structs

from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderDefaults
from omnia_runtime.ports.model import ChatModel, ChatRequest, ModelEvent


class DefaultedModel:
    """A model whose Provider gives the parameters that a request leaves open."""

    def __init__(self, model: ChatModel, defaults: ProviderDefaults) -> None:
        self._model = model
        self._defaults = defaults

    def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        parameters = with_defaults(request.parameters, self._defaults)
        return self._model.stream(structs.replace(request, parameters=parameters))


def with_defaults(own: Parameters, defaults: ProviderDefaults) -> Parameters:
    """Fill in the parameters of `own` that are None from `defaults`."""
    return structs.replace(
        own,
        temperature=defaults.temperature if own.temperature is None else own.temperature,
        top_p=defaults.top_p if own.top_p is None else own.top_p,
        max_tokens=defaults.max_tokens if own.max_tokens is None else own.max_tokens,
    )
