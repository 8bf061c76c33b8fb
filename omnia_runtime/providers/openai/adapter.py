"""OpenAI's two APIs, chat completions and responses, and every server that speaks one of them."""

from collections.abc import AsyncGenerator
from typing import Protocol

import structlog
from msgspec import structs

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, Finished, ModelEvent, TextDelta
from omnia_runtime.providers.failure import VendorFailure
from omnia_runtime.providers.openai.models import not_taken, reasons, uses_responses
from omnia_runtime.providers.openai.request import api_url, chat_body
from omnia_runtime.providers.openai.responses_request import responses_body
from omnia_runtime.providers.openai.responses_stream import ResponseStream
from omnia_runtime.providers.openai.stream import ChatStream
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.providers.vendor_http import VendorHTTP

_log = structlog.get_logger()


class _Answer(Protocol):
    """Reads the events of one answer."""

    done: bool
    written_tokens: int

    def read(self, data: bytes) -> str: ...

    def finish(self) -> list[ModelEvent]: ...


class OpenAIModel:
    """A model behind one of the two APIs."""

    def __init__(
        self, config: ProviderConfig, key: SecretStr | None, key_variable: str, client: HTTPClient
    ) -> None:
        """Prepare the calls.

        Raises:
            ValueError: a setting of the provider is wrong.
        """
        self._config = config
        self._responses = uses_responses(config)
        self._thinks = reasons(config)
        self._url = api_url(config, "/responses" if self._responses else "/chat/completions")
        self._prices = prices_of(config)
        self._headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        self._told = False
        self._http = VendorHTTP(config, key, key_variable, client)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        answer: _Answer = ResponseStream(self._config.model) if self._responses else ChatStream()
        try:
            body = self._body(request)
            async with self._http.events(
                self._url, self._headers, body, thinks=self._thinks
            ) as events:
                async for piece in events:
                    for data in piece:
                        text = answer.read(data)
                        if text:
                            yield TextDelta(text)
                    if answer.done:
                        break
                for event in answer.finish():
                    yield self._priced(event, answer) if isinstance(event, Finished) else event
        except VendorFailure as failure:
            raise self._http.error(
                failure.problem, status=failure.status, retry=failure.retry
            ) from failure

    def _body(self, request: ChatRequest) -> JsonObject:
        ignored = not_taken(self._config, request.parameters)
        if ignored and not self._told:
            self._told = True
            _log.warning(
                "parameters are left out that the model does not take",
                provider=self._config.name,
                model=self._config.model,
                parameters=ignored,
            )
        mapped = responses_body if self._responses else chat_body
        return mapped(self._config, request)

    def _priced(self, event: Finished, answer: _Answer) -> Finished:
        usage = self._prices.priced(event.usage, answer.written_tokens)
        return structs.replace(event, usage=usage)
