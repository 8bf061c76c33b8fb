"""Calls of a vendor's HTTP API, whose answer is a stream of server-sent events."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from omnia_core.connection_failures import causes_of, network_problem
from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig, timeout_seconds
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_core.telemetry.tracing import trace_headers
from omnia_runtime.http_client import HTTPClient, retry_after, server_tls
from omnia_runtime.ports.model import ProviderError, is_retryable
from omnia_runtime.providers.advice import SEND_AGAIN, advice_on
from omnia_runtime.providers.answer_size import AnswerSize
from omnia_runtime.providers.body_stream import BodyStream, Silence, StreamLimits
from omnia_runtime.providers.sse import EventTooLong, SSEParser
from omnia_runtime.providers.vendor_body import is_whole_body, unexpected_body, whole_body_events
from omnia_runtime.providers.vendor_errors import (
    VendorFailure,
    error_text,
    may_be_unpaid,
    refuses_key,
    retry_delay,
)

if TYPE_CHECKING:
    import aiohttp

_REQUEST_SECONDS = 60.0
_IDLE_SECONDS = 30.0
# The longest answers of slow models take half an hour.
_STREAM_SECONDS = 3600.0
_REFUSED = (401, 403)
_RATE_LIMITED = 429
_SUCCESSES = range(200, 300)
_FIRST_ERROR = 400
_MASK = "***"
# The beginnings of keys say only whose they are, such as "sk-".
_SHORTEST_MASKED = 6
# A shorter key, such as the "x" of a server that asks for any, may be a part of other words.
_LONG_KEY = 8
_MAX_ERROR_BYTES = 64 * 1024
_MAX_BODY_BYTES = 16 << 20
# How long to wait for the body of a refusal: its status says enough.
_REASON_SECONDS = 5.0
# How long to wait for the end of a body, so that its connection can serve the next call.
_TAIL_SECONDS = 0.5


class VendorHTTP:
    """Calls a vendor for one provider, and puts the provider's name into the errors."""

    def __init__(
        self, config: ProviderConfig, key: SecretStr | None, key_variable: str, client: HTTPClient
    ) -> None:
        """Prepare the calls.

        Raises:
            ValueError: a timeout of the provider is not a duration, or its certificate authority is
                unusable.
        """
        defaults = config.defaults
        self._config = config
        self._key = key
        self._key_variable = key_variable
        self._client = client
        self._tls = server_tls(config.authority)
        self._first_byte = timeout_seconds(defaults.request_timeout, _REQUEST_SECONDS)
        self._idle = timeout_seconds(defaults.stream_idle_timeout, _IDLE_SECONDS)
        self._longest = timeout_seconds(defaults.stream_timeout, _STREAM_SECONDS)

    @asynccontextmanager
    async def events(
        self,
        url: str,
        headers: Mapping[str, str],
        body: JsonObject,
        size: AnswerSize,
        *,
        thinks: bool = False,
    ) -> AsyncIterator[AsyncGenerator[list[bytes], None]]:
        """Post `body`, and yield the data of the events that each chunk of the answer completes.

        The connection is kept for the next call if the block ends when the answer is complete. An
        error in the block closes the connection, which also stops the vendor's work.

        Args:
            url: must not contain a secret, since errors name its host.
            headers: the vendor's own, including the credential; the Provider's are added.
            body: the request, sent as JSON.
            size: grows while the answer is read; an event after which it has not grown is a
                heartbeat.
            thinks: whether the model may pause within an answer to think.

        The generator raises VendorFailure when the answer broke off, or is no event stream.

        Raises:
            ProviderError: the vendor did not answer, or refused the request.
        """
        began = asyncio.get_running_loop().time()
        async with self._response(url, headers, body) as response:
            idle = max(self._idle, self._first_byte) if thinks else self._idle
            limits = StreamLimits(self._first_byte, idle, self._longest, began + self._longest)
            with closing(BodyStream(response, limits)) as stream:
                yield _chunks(stream, size)
            await _drain(response)

    async def json(self, url: str, headers: Mapping[str, str], body: JsonObject) -> bytes:
        """Post `body`, and return the answer, which is not streamed. See `events`.

        Raises:
            ProviderError: the vendor did not answer, refused the request, or answered too much.
        """
        async with self._response(url, headers, body) as response:
            found = b""
            async with asyncio.timeout(self._first_byte):
                async for chunk in response.content.iter_any():
                    found += chunk
                    if len(found) > _MAX_BODY_BYTES:
                        response.close()
                        raise self.error(f"answered more than {_MAX_BODY_BYTES >> 20} MiB")
            return found

    def error(
        self,
        problem: str,
        *,
        status: int = 0,
        retry: bool | None = None,
        retry_after: float | None = None,
        attempts: int | None = None,
        title: str = "",
        hint: str = "",
    ) -> ProviderError:
        """Return an error that begins with the provider's name; its key is masked.

        Whether to retry is as the status says, unless `retry` is given; so is what a person is
        told, unless `title` and `hint` are.
        """
        if self._key:
            problem = _masked(problem, self._key.reveal())
        name, vendor = self._config.name, self._config.type
        retryable = is_retryable(status) if retry is None else retry
        advice = advice_on(
            vendor,
            name,
            problem,
            status=status,
            retryable=retryable,
            retry_after=retry_after,
            unpaid=attempts == 1 and status == _RATE_LIMITED,
        )
        if title:
            advice = msgspec.structs.replace(advice, title=f"{vendor} {title}", hint=hint)
        return ProviderError(
            f'the provider "{name}" ({vendor}) {problem}',
            retryable=retryable,
            status=status,
            retry_after=retry_after,
            attempts=attempts,
            advice=advice,
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
                    data=json_bytes(body),
                    headers={
                        "Content-Type": "application/json",
                        "Accept": "text/event-stream",
                        **headers,
                        **self._config.headers,
                        **trace_headers(),
                    },
                    allow_redirects=False,
                    ssl=self._tls,
                )
        except (aiohttp.ClientError, OSError) as error:
            raise self._unanswered(url, error) from error
        try:
            if response.status not in _SUCCESSES:
                raise await self._refusal(response)
            yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self.error("broke off its answer", retry=True) from error
        finally:
            response.release()

    def _unanswered(self, url: str, error: Exception) -> ProviderError:
        import aiohttp  # noqa: PLC0415 - loaded with the first call

        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
            return self.error(
                f"did not answer within {self._first_byte:g} s",
                retry=True,
                title="did not answer in time.",
                hint=f"{SEND_AGAIN} requestTimeout of the Provider allows more time.",
            )
        problem = network_problem(list(causes_of(error)))
        why = f": it {problem}" if problem else f" ({type(error).__name__})"
        # A certificate stays untrusted; another provider may answer.
        untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
        host = urlsplit(url).netloc
        check = f'Check that it runs, and baseURL of the provider "{self._config.name}".'
        return self.error(
            f"cannot be reached at {host}{why}",
            retry=True,
            attempts=1 if untrusted else None,
            title=f"cannot be reached at {host}.",
            hint="Name its certificate authority as tls of the Provider." if untrusted else check,
        )

    async def _refusal(self, response: "aiohttp.ClientResponse") -> ProviderError:
        status = response.status
        body = await _reason(response)
        unpaid = may_be_unpaid(body)
        refused = status in _REFUSED or refuses_key(body)
        if self._key:
            # Masked before the text is shortened, which might leave half a key.
            text = body.decode(errors="surrogateescape")
            masked = _without(self._key.reveal(), text)
            body = masked.encode(errors="surrogateescape")
        words = error_text(body)
        if refused:
            return self._refused_key(status, words)
        location = response.headers.get("Location")
        if location and status < _FIRST_ERROR:
            return self.error(
                f'answered with status {status}, a redirect to "{location}", which is not '
                "followed: set baseURL to where the API is",
                status=status,
                title="is not at this address.",
                hint=f'Set baseURL of the provider "{self._config.name}" to where its API is.',
            )
        wait = retry_after(response.headers)
        return self.error(
            f"answered with status {status}: {words or 'without a reason'}",
            status=status,
            retry_after=retry_delay(body) if wait is None else wait,
            attempts=1 if unpaid else None,
        )

    def _refused_key(self, status: int, words: str) -> ProviderError:
        name = self._config.name
        if self._key:
            origin = self._config.key_origin or f"the variable {self._key_variable}"
            title = "does not accept the key."
            held = f"its key is {origin}: correct it there"
        else:
            title = "wants a key."
            held = f'it has no key: name its Secret in the Provider "{name}"'
        reason = f": {words}" if words else ""
        return self.error(
            f"refused the credential with status {status}{reason}; {held}",
            status=status,
            title=title,
            hint=f'Of the provider "{name}": {held}.',
        )


def _masked(problem: str, key: str) -> str:
    """Return a problem without the key, also where the words of a server were cut within it."""
    problem = _without(key, problem)
    for length in range(len(key) - 1, _SHORTEST_MASKED - 1, -1):
        if problem.endswith(key[:length]):
            return problem[:-length] + _MASK
    return problem


def _without(key: str, text: str) -> str:
    """Return a text without the key; a short key is masked only where it is a word of its own."""
    found = re.escape(key)
    if len(key) < _LONG_KEY:
        found = rf"(?<![\w-]){found}(?![\w-])"
    return re.sub(found, _MASK, text)


async def _reason(response: "aiohttp.ClientResponse") -> bytes:
    """Return the body of a refusal, or what comes of it."""
    import aiohttp  # noqa: PLC0415 - loaded with the first call

    body = b""
    try:
        async with asyncio.timeout(_REASON_SECONDS):
            while len(body) < _MAX_ERROR_BYTES and (chunk := await response.content.readany()):
                body += chunk
    except (aiohttp.ClientError, TimeoutError, OSError):
        # The refusal counts, whether its reason is complete or not.
        response.close()
    return body[:_MAX_ERROR_BYTES]


async def _chunks(body: BodyStream, size: AnswerSize) -> AsyncGenerator[list[bytes], None]:
    import aiohttp  # noqa: PLC0415 - loaded with the first call

    parser = SSEParser()
    try:
        chunk = await body.beginning()
        if not chunk:
            kind = f'content type "{body.content_type}"'
            raise VendorFailure(f"ended its stream before its answer: no byte, {kind}", retry=True)
        if is_whole_body(chunk, body.content_type):
            whole = await body.whole(chunk)
            yield whole_body_events(whole)
            raise unexpected_body(whole, body.content_type)
        while chunk:
            yield parser.feed(chunk)
            # The reader has processed the events: those that added nothing were heartbeats.
            body.progressed(size.total)
            chunk = await body.read()
        yield parser.end()
    except Silence as error:
        raise VendorFailure(f"was silent for {body.silence:g} s", retry=True) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise VendorFailure("broke off its answer", retry=True) from error
    except EventTooLong as error:
        raise VendorFailure(str(error)) from error


async def _drain(response: "aiohttp.ClientResponse") -> None:
    if response.content.at_eof():
        return
    if response.content.exception() is not None:
        response.close()
        return
    try:
        async with asyncio.timeout(_TAIL_SECONDS):
            await response.content.readany()
    except Exception:  # noqa: BLE001 - the answer is complete, whatever follows it
        response.close()
