"""OpenAI's chat completions, and every server that speaks them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
from msgspec import structs

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig, timeout_seconds
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.providers.openai_request import chat_body, chat_url
from omnia_runtime.providers.openai_stream import ChatStream, error_text
from omnia_runtime.providers.port import (
    ChatRequest,
    Finished,
    ModelEvent,
    ProviderError,
    TextDelta,
    is_retryable,
)
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.providers.sse import EventTooLong, SSEParser

if TYPE_CHECKING:
    import aiohttp

_REQUEST_SECONDS = 60.0
_IDLE_SECONDS = 30.0
_OK = 200
_REFUSED = (401, 403)
_MAX_ERROR_BYTES = 64 * 1024
# How long the end of a body is waited for, so that its connection serves the next call.
_TAIL_SECONDS = 0.5


class OpenAIModel:
    """A model behind chat completions."""

    def __init__(
        self, config: ProviderConfig, key: SecretStr | None, key_variable: str, client: HTTPClient
    ) -> None:
        """Prepare the calls.

        Raises:
            ValueError: a setting of the provider is wrong.
        """
        defaults = config.defaults
        self._config = config
        self._key = key
        self._key_variable = key_variable
        self._client = client
        self._url = chat_url(config)
        self._prices = prices_of(config)
        self._first_byte = timeout_seconds(defaults.request_timeout, _REQUEST_SECONDS)
        self._idle = timeout_seconds(defaults.stream_idle_timeout, _IDLE_SECONDS)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ModelEvent, None]:
        parser, answer = SSEParser(), ChatStream()
        async with self._response(request) as response:
            pieces = self._pieces(response)
            while not answer.done:
                piece = await anext(pieces, b"")
                for data in parser.feed(piece) if piece else parser.end():
                    text = answer.read(data)
                    if text:
                        yield TextDelta(text)
                if not piece:
                    break
            for event in answer.finish():
                if isinstance(event, Finished):
                    event = structs.replace(event, usage=self._prices.priced(event.usage))  # noqa: PLW2901 - the same event, with its price
                yield event
            await _drain(response)

    @asynccontextmanager
    async def _response(self, request: ChatRequest) -> AsyncIterator["aiohttp.ClientResponse"]:
        """Post the request; leaving closes the connection unless the body was read to its end."""
        import aiohttp  # noqa: PLC0415 - loaded with the first call

        try:
            async with asyncio.timeout(self._first_byte):
                response = await self._client.session().post(
                    self._url,
                    data=orjson.dumps(chat_body(self._config, request)),
                    headers=self._headers(),
                    allow_redirects=False,
                )
        except TimeoutError as error:
            raise self._error(f"did not answer in {self._first_byte:g} s", retry=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error
        try:
            if response.status != _OK:
                raise await self._refusal(response)
            yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._error("broke off in mid-answer", retry=True) from error
        except EventTooLong as error:
            raise self._error(str(error)) from error
        finally:
            response.release()

    async def _pieces(self, response: "aiohttp.ClientResponse") -> AsyncIterator[bytes]:
        patience = self._first_byte
        while True:
            try:
                async with asyncio.timeout(patience):
                    piece = await response.content.readany()
            except TimeoutError as error:
                raise self._error(f"was silent for {patience:g} s", retry=True) from error
            if not piece:
                return
            yield piece
            patience = self._idle

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return {**headers, **self._config.headers}

    async def _refusal(self, response: "aiohttp.ClientResponse") -> ProviderError:
        status = response.status
        if status in _REFUSED:
            held = f"its key is in {self._key_variable}" if self._key else "it has no key"
            return self._error(
                f"refused the credential with status {status}; {held}, "
                f'from the Secret of the Provider "{self._config.name}"',
                status=status,
            )
        async with asyncio.timeout(self._idle):
            body = await response.content.read(_MAX_ERROR_BYTES)
        detail = error_text(body)
        if self._key:
            detail = detail.replace(self._key.reveal(), "***")
        return self._error(f"answered with status {status}: {detail}", status=status)

    def _unreachable(self, error: Exception) -> ProviderError:
        host = urlsplit(self._url).netloc
        reason = type(error).__name__
        return self._error(f"cannot be reached at {host} ({reason})", retry=True)

    def _error(self, problem: str, *, status: int = 0, retry: bool = False) -> ProviderError:
        return ProviderError(
            f'the provider "{self._config.name}" ({self._config.type}) {problem}',
            retryable=retry or is_retryable(status),
            status=status,
        )


async def _drain(response: "aiohttp.ClientResponse") -> None:
    try:
        async with asyncio.timeout(_TAIL_SECONDS):
            await response.content.readany()
    except TimeoutError:
        response.close()
