"""OpenAI's two APIs, chat completions and responses, and compatible servers, as a chat model."""

from collections.abc import AsyncGenerator
from functools import partial

import structlog

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, ModelEvent
from omnia_runtime.providers.answer_size import AnswerSize
from omnia_runtime.providers.fitting import Fitting
from omnia_runtime.providers.openai.chat import api_url, chat_body
from omnia_runtime.providers.openai.chat_stream import ChatStream
from omnia_runtime.providers.openai.models import (
    has_think_tags,
    reasons,
    unsupported_parameters,
    uses_responses,
)
from omnia_runtime.providers.openai.responses import responses_body
from omnia_runtime.providers.openai.responses_stream import ResponseStream
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.providers.vendor_http import VendorHTTP
from omnia_runtime.providers.vendor_stream import AnswerReader, Events, stream_answer

_log = structlog.get_logger()


class OpenAIModel:
    """A model behind one of the two APIs."""

    def __init__(
        self, config: ProviderConfig, key: SecretStr | None, key_variable: str, client: HTTPClient
    ) -> None:
        """Prepare the calls.

        Raises:
            ValueError: a setting of the provider is invalid.
        """
        self._config = config
        self._responses = uses_responses(config)
        self._thinks = reasons(config)
        self._think_tags = has_think_tags(config)
        self._url = api_url(config, "/responses" if self._responses else "/chat/completions")
        self._prices = prices_of(config)
        self._headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        self._warned = False
        self._fitting = Fitting(config)
        self._http = VendorHTTP(config, key, key_variable, client)

    def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        answer: AnswerReader = (
            ResponseStream(self._config.model)
            if self._responses
            else ChatStream(self._config.model, think_tags=self._think_tags)
        )
        fitted = self._fitting.fit(request)
        return fitted.restored(
            stream_answer(self._http, self._prices, answer, partial(self._request, fitted.request))
        )

    def _request(self, request: ChatRequest, size: AnswerSize) -> Events:
        body = self._body(request)
        return self._http.events(self._url, self._headers, body, size, thinks=self._thinks)

    def _body(self, request: ChatRequest) -> JsonObject:
        ignored = unsupported_parameters(self._config, request.parameters)
        if ignored and not self._warned:
            self._warned = True
            _log.warning(
                "parameters that the model does not support are left out",
                provider=self._config.name,
                model=self._config.model,
                parameters=ignored,
            )
        mapped = responses_body if self._responses else chat_body
        return mapped(self._config, request)
