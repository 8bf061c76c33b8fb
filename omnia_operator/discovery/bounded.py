"""An HTTP client that limits the size of answers. It is imported for MCP servers only."""

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2

from omnia_core.addresses import AddressRefused, Refuses
from omnia_core.connection_failures import causes_of
from omnia_core.errors import ConfigurationError
from omnia_core.files.config_text import ConfigText
from omnia_operator.discovery.egress import Egress

LARGEST = 5 * 1024 * 1024


def bounded_client(
    headers: dict[str, str],
    limit: float,
    statuses: list[int],
    egress: Egress,
    proxy: str | None,
    authority: ConfigText | None = None,
) -> httpx2.AsyncClient:
    """Return a client that appends the status of every answer to `statuses`."""
    inner = httpx2.AsyncHTTPTransport(verify=egress.tls(authority), proxy=proxy)
    transport = _BoundedTransport(inner, statuses, egress.refuses, proxied=proxy is not None)
    return httpx2.AsyncClient(headers=headers, timeout=limit, transport=transport, trust_env=False)


class _BoundedTransport(httpx2.AsyncBaseTransport):
    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        statuses: list[int],
        refuses: Refuses,
        *,
        proxied: bool,
    ) -> None:
        self._inner = inner
        self._statuses = statuses
        self._refuses = refuses
        self._proxied = proxied

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # A compressed answer could expand to any size.
        request.headers["accept-encoding"] = "identity"
        # The address of a proxy is the administrator's choice.
        if not self._proxied:
            request.extensions["trace"] = self._check_address
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.ConnectError as error:
            # The connection that failed was to the proxy, unless TLS with the server failed in it.
            if self._proxied and not any(isinstance(e, ssl.SSLError) for e in causes_of(error)):
                raise httpx2.ProxyError("the proxy does not accept connections") from error
            raise
        self._statuses.append(response.status_code)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _BoundedStream(response.stream)
        return response

    async def _check_address(self, event: str, info: Mapping[str, Any]) -> None:
        """Check the address of a new connection before anything is sent to it."""
        if event != "connection.connect_tcp.complete":
            return
        stream = info["return_value"]
        if self._refuses(str(stream.get_extra_info("server_addr")[0])):
            await stream.aclose()
            raise AddressRefused

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > LARGEST:
                raise ConfigurationError(f"its answer is larger than {LARGEST >> 20} MiB")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
