"""Anthropic's Messages API."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import structs

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, Finished, ModelEvent, ProviderError, TextDelta
from omnia_runtime.providers.claude.messages import has_thinking
from omnia_runtime.providers.claude.request import messages_body, messages_url
from omnia_runtime.providers.claude.stream import MessageStream
from omnia_runtime.providers.failure import VendorFailure
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.providers.vendor_http import VendorHTTP

# The newer version 2026-10-21 refuses temperature, top_p and top_k, and adds nothing that is used
# here. https://platform.claude.com/docs/en/api/versioning
_VERSION = "2023-06-01"
_BAD_REQUEST = 400


class ClaudeModel:
    """A model behind the Messages API."""

    def __init__(
        self, config: ProviderConfig, key: SecretStr | None, key_variable: str, client: HTTPClient
    ) -> None:
        """Prepare the calls.

        Raises:
            ValueError: a setting of the provider is wrong.
        """
        self._config = config
        self._url = messages_url(config)
        self._prices = prices_of(config)
        self._headers = {"anthropic-version": _VERSION}
        if key:
            self._headers["x-api-key"] = key.reveal()
        self._http = VendorHTTP(config, key, key_variable, client)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        answer = MessageStream()
        try:
            async with self._events(request) as events:
                async for piece in events:
                    for data in piece:
                        text = answer.read(data)
                        if text:
                            yield TextDelta(text)
                    if answer.done:
                        break
                for event in answer.finish():
                    if isinstance(event, Finished):
                        usage = self._prices.priced(event.usage, answer.cache_writes)
                        event = structs.replace(event, usage=usage)  # noqa: PLW2901 - the same event, with its price
                    yield event
        except VendorFailure as failure:
            raise self._http.error(
                failure.problem, status=failure.status, retry=failure.retry
            ) from failure

    @asynccontextmanager
    async def _events(
        self, request: ChatRequest
    ) -> AsyncIterator[AsyncGenerator[list[bytes], None]]:
        """Ask; once more without thoughts when they are refused, since the answer needs none.

        They hold only for the conversation before them, which a context window may shorten.
        """
        body = messages_body(self._config, request)
        async with AsyncExitStack() as stack:
            ask = stack.enter_async_context
            try:
                events = await ask(self._http.events(self._url, self._headers, body))
            except ProviderError as error:
                if not has_thinking(body["messages"]) or not _about_thinking(error):
                    raise
                body = messages_body(self._config, request, thinking=False)
                events = await ask(self._http.events(self._url, self._headers, body))
            yield events


def _about_thinking(error: ProviderError) -> bool:
    return error.status == _BAD_REQUEST and "thinking" in error.message
