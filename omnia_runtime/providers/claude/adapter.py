"""Anthropic's Messages API as a chat model."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.model import ChatRequest, ModelEvent, ProviderError
from omnia_runtime.providers.answer_size import AnswerSize
from omnia_runtime.providers.claude.messages import has_thinking
from omnia_runtime.providers.claude.request import messages_body, messages_url
from omnia_runtime.providers.claude.stream import MessageStream
from omnia_runtime.providers.fitting import Fitting
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.providers.vendor_http import VendorHTTP
from omnia_runtime.providers.vendor_stream import stream_answer

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
            ValueError: a setting of the provider is invalid.
        """
        self._config = config
        self._url = messages_url(config)
        self._prices = prices_of(config)
        self._fitting = Fitting(config)
        self._headers = {"anthropic-version": _VERSION}
        if key:
            self._headers["x-api-key"] = key.reveal()
        self._http = VendorHTTP(config, key, key_variable, client)

    def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        fitted = self._fitting.fit(request)
        return fitted.restored(
            stream_answer(
                self._http, self._prices, MessageStream(), partial(self._request, fitted.request)
            )
        )

    @asynccontextmanager
    async def _request(
        self, request: ChatRequest, size: AnswerSize
    ) -> AsyncIterator[AsyncGenerator[list[bytes], None]]:
        """Send the request; again without thinking blocks if the API refuses these.

        They are valid only after exactly the conversation that they came from, which a context
        window may have shortened. The answer does not need them.
        """
        body = messages_body(self._config, request)
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            try:
                events = await enter(self._http.events(self._url, self._headers, body, size))
            except ProviderError as error:
                if not has_thinking(body["messages"]) or not _is_about_thinking(error):
                    raise
                body = messages_body(self._config, request, thinking=False)
                events = await enter(self._http.events(self._url, self._headers, body, size))
            yield events


def _is_about_thinking(error: ProviderError) -> bool:
    return error.status == _BAD_REQUEST and "thinking" in error.message
