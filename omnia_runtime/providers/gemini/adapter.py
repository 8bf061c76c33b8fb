"""Google's Gemini API."""

from collections.abc import AsyncGenerator

from msgspec import structs

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, Finished, ModelEvent, TextDelta
from omnia_runtime.providers.failure import VendorFailure
from omnia_runtime.providers.gemini.request import generate_body, generate_url
from omnia_runtime.providers.gemini.stream import ContentStream
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.providers.vendor_http import VendorHTTP


class GeminiModel:
    """A model behind streamGenerateContent."""

    def __init__(
        self, config: ProviderConfig, key: SecretStr | None, key_variable: str, client: HTTPClient
    ) -> None:
        """Prepare the calls.

        Raises:
            ValueError: a setting of the provider is wrong.
        """
        self._config = config
        self._url = generate_url(config)
        self._prices = prices_of(config)
        # The header, and never the query, which ends up in logs.
        self._headers = {"x-goog-api-key": key.reveal()} if key else {}
        self._http = VendorHTTP(config, key, key_variable, client)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        answer = ContentStream()
        try:
            body = generate_body(self._config, request)
            async with self._http.events(self._url, self._headers, body) as events:
                # The end of the stream is the only sign that nothing more comes.
                async for piece in events:
                    for data in piece:
                        text = answer.read(data)
                        if text:
                            yield TextDelta(text)
                for event in answer.finish():
                    if isinstance(event, Finished):
                        usage = self._prices.priced(event.usage)
                        event = structs.replace(event, usage=usage)  # noqa: PLW2901 - the same event, with its price
                    yield event
        except VendorFailure as failure:
            raise self._http.error(
                failure.problem, status=failure.status, retry=failure.retry
            ) from failure
