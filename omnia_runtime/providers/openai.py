"""OpenAI's chat completions, and every server that speaks them."""

from collections.abc import AsyncGenerator

from msgspec import structs

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.providers.openai_request import chat_body, chat_url
from omnia_runtime.providers.openai_stream import ChatStream
from omnia_runtime.providers.port import ChatRequest, Finished, ModelEvent, TextDelta
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.providers.vendor_http import VendorHTTP


class OpenAIModel:
    """A model behind chat completions."""

    def __init__(
        self, config: ProviderConfig, key: SecretStr | None, key_variable: str, client: HTTPClient
    ) -> None:
        """Prepare the calls.

        Raises:
            ValueError: a setting of the provider is wrong.
        """
        self._config = config
        self._url = chat_url(config)
        self._prices = prices_of(config)
        self._headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        self._http = VendorHTTP(config, key, key_variable, client)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        answer = ChatStream()
        body = chat_body(self._config, request)
        async with self._http.events(self._url, self._headers, body) as events:
            async for piece in events:
                for data in piece:
                    text = answer.read(data)
                    if text:
                        yield TextDelta(text)
                if answer.done:
                    break
            for event in answer.finish():
                if isinstance(event, Finished):
                    event = structs.replace(event, usage=self._prices.priced(event.usage))  # noqa: PLW2901 - the same event, with its price
                yield event
