"""Google's Gemini API as a chat model."""

from collections.abc import AsyncGenerator
from functools import partial

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, ModelEvent
from omnia_runtime.providers.answer_size import AnswerSize
from omnia_runtime.providers.fitting import Fitting
from omnia_runtime.providers.gemini.request import generate_body, generate_url
from omnia_runtime.providers.gemini.stream import ContentStream
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.providers.vendor_http import VendorHTTP
from omnia_runtime.providers.vendor_stream import Events, stream_answer


class GeminiModel:
    """A model behind streamGenerateContent."""

    def __init__(
        self, config: ProviderConfig, key: SecretStr | None, key_variable: str, client: HTTPClient
    ) -> None:
        """Prepare the calls.

        Raises:
            ValueError: a setting of the provider is invalid.
        """
        self._config = config
        self._url = generate_url(config)
        self._prices = prices_of(config)
        self._fitting = Fitting(config)
        # A header and not the query, which ends up in logs.
        self._headers = {"x-goog-api-key": key.reveal()} if key else {}
        self._http = VendorHTTP(config, key, key_variable, client)

    def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        fitted = self._fitting.fit(request)
        return fitted.restored(
            stream_answer(
                self._http, self._prices, ContentStream(), partial(self._request, fitted.request)
            )
        )

    def _request(self, request: ChatRequest, size: AnswerSize) -> Events:
        body = generate_body(self._config, request)
        return self._http.events(self._url, self._headers, body, size)
