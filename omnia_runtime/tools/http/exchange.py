"""An HTTP call to a tool server: its retries and its bounds."""

import asyncio
import random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from omnia_core.files.tools import HTTPRetryPolicy
from omnia_core.telemetry.tracing import trace_headers
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.ports.tools import ToolFailed
from omnia_runtime.providers.retry_after import retry_after
from omnia_runtime.tools.addresses import is_refused
from omnia_runtime.tools.http.request import HTTPCall
from omnia_runtime.tools.http.result import Answer
from omnia_runtime.tools.retry import Retry

if TYPE_CHECKING:
    import aiohttp

MAX_RESPONSE_BYTES = 10 * 1024 * 1024


class Exchange:
    """Calls the server of one handler."""

    def __init__(
        self,
        handler: str,
        client: HTTPClient,
        policy: HTTPRetryPolicy | None,
        timeout: float,
    ) -> None:
        """Take what all calls of a handler have in common.

        Raises:
            ValueError: the policy is not usable.
        """
        self._handler = handler
        self._client = client
        self._retry = Retry.of(policy)
        self._timeout = timeout

    async def send(self, request: HTTPCall) -> Answer:
        """Send a request until it is answered with a status that is not worth another attempt.

        Raises:
            ToolFailed: no attempt was answered, or the answer is too long.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        for attempt in range(1, self._retry.attempts + 1):
            outcome = await self._attempt(request)
            last = attempt == self._retry.attempts or not self._worth_another(outcome)
            asked = outcome.retry_after if isinstance(outcome, Answer) else None
            wait = self._retry.wait(attempt, asked, random.random())  # noqa: S311 - no secret
            # what is known now says more than that the time is up
            if last or loop.time() + wait >= deadline:
                break
            await asyncio.sleep(wait)
        if isinstance(outcome, Answer):
            return outcome
        raise outcome

    def _worth_another(self, outcome: Answer | ToolFailed) -> bool:
        if isinstance(outcome, Answer):
            return outcome.status in self._retry.statuses
        return outcome.server_fault and self._retry.network

    async def _attempt(self, request: HTTPCall) -> Answer | ToolFailed:
        import aiohttp  # noqa: PLC0415 - loaded with the first call
        import yarl  # noqa: PLC0415 - likewise

        try:
            async with self._client.session().request(
                request.method,
                yarl.URL(request.url, encoded=True),
                headers={**request.headers, **trace_headers()},
                data=request.body,
                # a redirect could lead the handler's headers to another server
                allow_redirects=False,
            ) as response:
                return Answer(
                    response.status,
                    response.content_type.lower(),
                    await self._read(response),
                    retry_after(response.headers),
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._unreachable(request, error)

    async def _read(self, response: "aiohttp.ClientResponse") -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > MAX_RESPONSE_BYTES:
                response.close()
                raise ToolFailed(
                    f'handler "{self._handler}" answered more than {MAX_RESPONSE_BYTES >> 20} MiB'
                )
            parts.append(part)
        return b"".join(parts)

    def _unreachable(self, request: HTTPCall, error: Exception) -> ToolFailed:
        if is_refused(error):
            return ToolFailed(
                f'handler "{self._handler}" is at a private address, which tools may not be at here'
            )
        where, kind = _shown(request.url), type(error).__name__
        said = f'handler "{self._handler}" cannot be reached at {where}: {kind}'
        # a URL or header that cannot be sent is no fault of the server
        return ToolFailed(said, server_fault=not isinstance(error, ValueError))


def _shown(url: str) -> str:
    """Return an address without what may be secret in it: user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
