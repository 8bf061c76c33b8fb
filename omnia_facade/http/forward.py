"""Passes a request on to the pod that has its run, and its answer back as it comes."""

import asyncio
from collections.abc import Mapping

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from omnia_core.http.errors import HttpError
from omnia_facade.entrance.errors import RETRY_NOW

FORWARDED = "Omnia-Forwarded"
CONNECT_SECONDS = 5.0
# For an answer that is no stream.
ASK_SECONDS = 5.0
# Of the connection between client and facade, not of the request (RFC 9110, section 7.6.1).
_OWN = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_log = structlog.get_logger()


class Forwarder:
    """The HTTP client of a facade, opened by the first request for another pod."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def forward(
        self, request: web.BaseRequest, body: bytes, owner: str
    ) -> web.StreamResponse:
        """Send the request, with the caller's own credential, to `owner`, a `host:port`.

        Raises:
            HttpError: 503: the pod does not answer.
        """
        headers = [
            (name, value) for name, value in request.headers.items() if name.lower() not in _OWN
        ]
        url = URL(f"http://{owner}{request.raw_path}", encoded=True)
        try:
            async with self._opened().request(
                request.method,
                url,
                headers=[*headers, (FORWARDED, "1")],
                data=body or None,
                allow_redirects=False,
            ) as answer:
                response = web.StreamResponse(
                    status=answer.status,
                    headers=[
                        (name, value)
                        for name, value in answer.headers.items()
                        if name.lower() not in _OWN
                    ],
                )
                await response.prepare(request)
                async for data in answer.content.iter_any():
                    await response.write(data)
                await response.write_eof()
                return response
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise HttpError(
                503, "overloaded", "the server that runs this turn does not answer", RETRY_NOW
            ) from error

    async def post(
        self, owner: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> bytes | None:
        """Return the body of an answer, as `Peers`."""
        passed = {name: value for name, value in headers.items() if name.lower() not in _OWN}
        try:
            async with (
                asyncio.timeout(ASK_SECONDS),
                self._opened().post(f"http://{owner}{path}", headers=passed, data=body) as answer,
            ):
                return await answer.read() if answer.ok else None
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("another pod does not answer", owner=owner, reason=type(error).__name__)
            return None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A stream may be silent between two heartbeats only.
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()
