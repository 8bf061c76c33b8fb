"""Calls of a vendor's HTTP API, whose answer is a stream of server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig, timeout_seconds
from omnia_core.jsonvalue import JsonObject
from omnia_core.telemetry.tracing import trace_headers
from omnia_runtime.http_client import HTTPClient, retry_after
from omnia_runtime.ports.model import ProviderError, is_retryable
from omnia_runtime.providers.sse import EventTooLong, SSEParser
from omnia_runtime.providers.vendor_errors import error_text, refuses_key, retry_delay
from omnia_runtime.providers.watchdog import Watchdog

if TYPE_CHECKING:
    import aiohttp

_REQUEST_SECONDS = 60.0
_IDLE_SECONDS = 30.0
_OK = 200
_REFUSED = (401, 403)
_MAX_ERROR_BYTES = 64 * 1024
# How long to wait for the end of a body, so that its connection can serve the next call.
_TAIL_SECONDS = 0.5


class _Silence(Exception):
    """A wait for more of an answer took too long."""


class VendorHTTP:
    """Calls a vendor for one provider, and puts the provider's name into the errors."""

    def __init__(
        self, config: ProviderConfig, key: SecretStr | None, key_variable: str, client: HTTPClient
    ) -> None:
        """Prepare the calls.

        Raises:
            ValueError: a timeout of the provider is not a duration.
        """
        defaults = config.defaults
        self._config = config
        self._key = key
        self._key_variable = key_variable
        self._client = client
        self._first_byte = timeout_seconds(defaults.request_timeout, _REQUEST_SECONDS)
        self._idle = timeout_seconds(defaults.stream_idle_timeout, _IDLE_SECONDS)

    @asynccontextmanager
    async def events(
        self, url: str, headers: Mapping[str, str], body: JsonObject, *, thinks: bool = False
    ) -> AsyncIterator[AsyncGenerator[list[bytes], None]]:
        """Post `body`, and yield the data of the events that each chunk of the answer completes.

        The connection is kept for the next call if the block ends when the answer is complete. An
        error in the block closes the connection, which also stops the vendor's work.

        Args:
            url: must not contain a secret, since errors name its host.
            headers: the vendor's own, including the credential; the Provider's are added.
            body: the request, sent as JSON.
            thinks: whether the model may pause within an answer to think.

        Raises:
            ProviderError: the vendor did not answer, or its answer broke off.
        """
        async with self._response(url, headers, body) as response:
            silence = _Silence()
            watchdog = Watchdog(
                self._first_byte,
                lambda: response.content.set_exception(silence),
                asyncio.get_running_loop(),
            )
            try:
                idle = max(self._idle, self._first_byte) if thinks else self._idle
                yield _chunks(response.content, watchdog, idle)
            except _Silence as error:
                raise self.error(f"was silent for {watchdog.seconds:g} s", retry=True) from error
            finally:
                watchdog.stop()
            await _drain(response)

    def error(
        self,
        problem: str,
        *,
        status: int = 0,
        retry: bool = False,
        retry_after: float | None = None,
    ) -> ProviderError:
        """Return an error that begins with the provider's name; its key is masked."""
        if self._key:
            problem = problem.replace(self._key.reveal(), "***")
        return ProviderError(
            f'the provider "{self._config.name}" ({self._config.type}) {problem}',
            retryable=retry or is_retryable(status),
            status=status,
            retry_after=retry_after,
        )

    @asynccontextmanager
    async def _response(
        self, url: str, headers: Mapping[str, str], body: JsonObject
    ) -> AsyncIterator["aiohttp.ClientResponse"]:
        import aiohttp  # noqa: PLC0415 - loaded with the first call

        try:
            async with asyncio.timeout(self._first_byte):
                response = await self._client.session().post(
                    url,
                    data=orjson.dumps(body),
                    headers={
                        "Content-Type": "application/json",
                        "Accept": "text/event-stream",
                        **headers,
                        **self._config.headers,
                        **trace_headers(),
                    },
                    allow_redirects=False,
                )
        except TimeoutError as error:
            raise self.error(f"did not answer within {self._first_byte:g} s", retry=True) from error
        except (aiohttp.ClientError, OSError) as error:
            host, reason = urlsplit(url).netloc, type(error).__name__
            raise self.error(f"cannot be reached at {host} ({reason})", retry=True) from error
        try:
            if response.status != _OK:
                raise await self._refusal(response)
            yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self.error("broke off its answer", retry=True) from error
        except EventTooLong as error:
            raise self.error(str(error)) from error
        finally:
            response.release()

    async def _refusal(self, response: "aiohttp.ClientResponse") -> ProviderError:
        status = response.status
        if status in _REFUSED:
            return self._refused_key(status)
        async with asyncio.timeout(self._idle):
            body = await response.content.read(_MAX_ERROR_BYTES)
        if refuses_key(body):
            return self._refused_key(status)
        if self._key:
            # Masked before the text is shortened, which might leave half a key.
            body = body.replace(self._key.reveal().encode(), b"***")
        wait = retry_after(response.headers)
        return self.error(
            f"answered with status {status}: {error_text(body)}",
            status=status,
            retry_after=retry_delay(body) if wait is None else wait,
        )

    def _refused_key(self, status: int) -> ProviderError:
        held = f"its key is in {self._key_variable}" if self._key else "it has no key"
        return self.error(
            f"refused the credential with status {status}; {held}, "
            f'from the Secret of the Provider "{self._config.name}"',
            status=status,
        )


async def _chunks(
    content: "aiohttp.StreamReader", watchdog: Watchdog, idle: float
) -> AsyncGenerator[list[bytes], None]:
    parser, clock = SSEParser(), asyncio.get_running_loop().time
    began = False
    while True:
        watchdog.since = clock()
        chunk = await content.readany()
        watchdog.since = None
        if not chunk:
            yield parser.end()
            return
        if not began:
            began = True
            watchdog.change(idle)
        yield parser.feed(chunk)


async def _drain(response: "aiohttp.ClientResponse") -> None:
    if response.content.at_eof():
        return
    try:
        async with asyncio.timeout(_TAIL_SECONDS):
            await response.content.readany()
    except TimeoutError:
        response.close()
