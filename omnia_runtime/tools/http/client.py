"""HTTP calls to a tool server, with retries and limits."""

import asyncio
import random
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from omnia_core.addresses import is_refused
from omnia_core.connection_failures import shown_address
from omnia_core.files.config_text import ConfigText
from omnia_core.files.tools import HTTPRetryPolicy
from omnia_core.telemetry.tracing import trace_headers
from omnia_runtime.http_client import HTTPClient, retry_after, server_tls
from omnia_runtime.ports.tools import ToolFailed
from omnia_runtime.tools.http.request import HTTPToolRequest
from omnia_runtime.tools.http.response import HTTPToolResponse
from omnia_runtime.tools.retry import HTTPRetry

if TYPE_CHECKING:
    import aiohttp

MAX_RESPONSE_BYTES = 10 * 1024 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CREATED = frozenset({201, 202})
# Characters that stay as they are, among them those that are encoded already.
_IN_URL = "!#$%&'()*+,/:;=?@[]"
_DECODED = frozenset({"", "br", "deflate", "gzip", "identity", "zstd"})
_MAX_CODING = 32
_MAX_REASON = 120


class HTTPToolClient:
    """Calls the server of one handler."""

    def __init__(
        self,
        handler: str,
        client: HTTPClient,
        policy: HTTPRetryPolicy | None,
        timeout: float,
        authority: ConfigText | None = None,
    ) -> None:
        """Prepare the calls of a handler; `authority` is trusted beside the public ones.

        Raises:
            ValueError: the policy is invalid, or the authority.
        """
        self._handler = handler
        self._client = client
        self._retry = HTTPRetry.of(policy)
        self._timeout = timeout
        self.tls = server_tls(authority)

    async def send(self, request: HTTPToolRequest) -> HTTPToolResponse:
        """Send a request; retry as the policy says, within the time limit of the handler.

        Raises:
            ToolFailed: no attempt was answered, or the response is too large.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        for attempt in range(1, self._retry.attempts + 1):
            outcome = await self._attempt(request)
            last = attempt == self._retry.attempts or not self._is_worth_retrying(outcome)
            asked = outcome.retry_after if isinstance(outcome, HTTPToolResponse) else None
            wait = self._retry.wait(attempt, asked, random.random())  # noqa: S311 - no secret
            # This outcome says more than a timeout during the wait.
            if last or loop.time() + wait >= deadline:
                break
            await asyncio.sleep(wait)
        if isinstance(outcome, HTTPToolResponse):
            return outcome
        raise outcome

    def _is_worth_retrying(self, outcome: HTTPToolResponse | ToolFailed) -> bool:
        if isinstance(outcome, HTTPToolResponse):
            return outcome.status in self._retry.statuses
        return outcome.server_fault and self._retry.network

    async def _attempt(self, request: HTTPToolRequest) -> HTTPToolResponse | ToolFailed:
        import aiohttp  # noqa: PLC0415 - loaded with the first call
        import yarl  # noqa: PLC0415 - as above

        try:
            async with self._client.session().request(
                request.method,
                yarl.URL(_ascii_url(request.url), encoded=True),
                headers={**request.headers, **trace_headers()},
                data=request.body,
                ssl=self.tls,
                # A redirect could send the handler's headers to another server.
                allow_redirects=False,
                # aiohttp would send a type without a body.
                skip_auto_headers=("Content-Type",),
            ) as response:
                return HTTPToolResponse(
                    response.status,
                    response.content_type.lower(),
                    await self._read(response),
                    retry_after(response.headers),
                    response.charset,
                    _location(response),
                    _coding(response),
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._unreachable(request, error)

    async def _read(self, response: "aiohttp.ClientResponse") -> bytes:
        chunks, size = [], 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > MAX_RESPONSE_BYTES:
                response.close()
                raise ToolFailed(
                    f'handler "{self._handler}" answered more than {MAX_RESPONSE_BYTES >> 20} MiB'
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def _unreachable(self, request: HTTPToolRequest, error: Exception) -> ToolFailed:
        import aiohttp  # noqa: PLC0415 - as above

        if is_refused(error):
            return ToolFailed(
                f'handler "{self._handler}" is at a private address, where tools are not allowed'
                " here"
            )
        # The text of an error has the URL, which may have a secret; its message has not.
        reason = " ".join(getattr(error, "message", "").split())[:_MAX_REASON]
        if isinstance(error, aiohttp.ClientPayloadError) or "content-encoding" in reason:
            # aiohttp adds which package to install.
            reason = reason.partition(". ")[0] or type(error).__name__
            return ToolFailed(
                f'handler "{self._handler}" answered with a body that cannot be read: {reason}',
                server_fault=True,
            )
        if isinstance(error, aiohttp.ClientResponseError):
            return ToolFailed(
                f'handler "{self._handler}" did not answer with HTTP that can be read: {reason}',
                server_fault=True,
            )
        address, kind = shown_address(request.url), type(error).__name__
        message = f'handler "{self._handler}" cannot be reached at {address}: {kind}'
        # A URL or header that cannot be sent is not a fault of the server.
        return ToolFailed(message, server_fault=not isinstance(error, ValueError))


def _ascii_url(url: str) -> str:
    """Return a URL with the characters of a configuration that no request line can have encoded.

    Raises:
        ValueError: its host is no host name.
    """
    if url.isascii() and " " not in url:
        return url
    parts = urlsplit(url)
    host = parts.hostname or ""
    netloc = parts.netloc.replace(host, host.encode("idna").decode()) if host else parts.netloc
    return quote(parts._replace(netloc=netloc).geturl(), safe=_IN_URL)


def _coding(response: "aiohttp.ClientResponse") -> str:
    """Return the Content-Encoding that aiohttp does not decode."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    return "" if coding in _DECODED else coding[:_MAX_CODING]


def _location(response: "aiohttp.ClientResponse") -> str:
    """Return where a redirect leads, without user, query and fragment, which may be secret."""
    if response.status not in _REDIRECTS | _CREATED or "Location" not in response.headers:
        return ""
    try:
        return shown_address(urljoin(str(response.url), response.headers["Location"]))
    except ValueError:
        return "an address that is no URL"
