"""OpenAI's two APIs, chat completions and responses, and compatible servers, as a chat model."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, ModelEvent, ProviderError
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
# Strict servers refuse the first. Newer models of OpenAI want the limit under its new name, behind
# another host too.
_OPTIONS = "stream_options"
_LIMIT, _NEW_LIMIT = "max_tokens", "max_completion_tokens"
_INVALID = (400, 422)


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
        self._refused: set[str] = set()
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

    @asynccontextmanager
    async def _request(
        self, request: ChatRequest, size: AnswerSize
    ) -> AsyncIterator[AsyncGenerator[list[bytes], None]]:
        """Send the request; again, and from then on, without a field that the server refuses."""
        body = self._body(request)
        async with AsyncExitStack() as stack:
            while True:
                self._leave_out_refused(body)
                try:
                    events = await stack.enter_async_context(self._events(body, size))
                    break
                except ProviderError as error:
                    field = _refused_field(body, error)
                    if field is None:
                        raise
                    self._refused.add(field)
            yield events

    def _leave_out_refused(self, body: JsonObject) -> None:
        if _OPTIONS in self._refused:
            # Such servers count the tokens without being asked.
            body.pop(_OPTIONS, None)
        if _LIMIT in self._refused and _LIMIT in body:
            body[_NEW_LIMIT] = body.pop(_LIMIT)

    def _events(self, body: JsonObject, size: AnswerSize) -> Events:
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


def _refused_field(body: JsonObject, error: ProviderError) -> str | None:
    """Return the field for which a request was refused, if there is another way."""
    if error.status not in _INVALID:
        return None
    named = ((_OPTIONS, _OPTIONS), (_LIMIT, _NEW_LIMIT))
    return next((field for field, word in named if field in body and word in error.message), None)
