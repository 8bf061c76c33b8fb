"""Fetches a document over HTTP, up to a size."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from omnia_core.addresses import checked_socket
from omnia_core.errors import ConfigurationError
from omnia_core.files.config_text import ConfigText
from omnia_operator.discovery.egress import Egress
from omnia_operator.discovery.failure import HttpStatus

if TYPE_CHECKING:
    import aiohttp

LARGE = 1024 * 1024
_SUCCESS = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def fetch_bytes(
    url: str,
    headers: Mapping[str, str],
    limit: float,
    *,
    largest: int,
    max_redirects: int,
    egress: Egress,
    before_large: Callable[[], Awaitable[object]] | None = None,
    authority: ConfigText | None = None,
    method: str = "GET",
    answers: frozenset[int] = frozenset({_SUCCESS}),
) -> bytes:
    """Return the content of a document.

    Args:
        url: its address.
        headers: headers of the request.
        limit: seconds that the whole request may take.
        largest: bytes that the content may have.
        max_redirects: redirects within a server that are followed; with 0 a redirect is a failure.
        egress: proxies, trusted certificates, and addresses that are not connected to.
        before_large: awaited once, when the content is larger than `LARGE`; the limit of time
            begins again after it.
        authority: the certificate authority of the server.
        method: method of the request, which has no body.
        answers: statuses whose content is returned.

    Raises:
        HttpStatus: the status is another one.
        ConfigurationError: the content is too large, or the server redirects to another one.
        Exception: of the connection.
    """
    async with asyncio.timeout(limit) as clock:

        async def large() -> None:
            if before_large is not None:
                clock.reschedule(None)
                await before_large()
                clock.reschedule(asyncio.get_running_loop().time() + limit)

        for _ in range(max_redirects + 1):
            async with _response(method, url, headers, egress, authority) as response:
                if response.status in answers:
                    return await _content(response, largest, large)
                if max_redirects == 0 or response.status not in _REDIRECTS:
                    raise HttpStatus(response.status)
                url = _redirected(response)
    raise ConfigurationError(f"it redirects more than {max_redirects} times: set the last address")


@contextlib.asynccontextmanager
async def _response(
    method: str,
    url: str,
    headers: Mapping[str, str],
    egress: Egress,
    authority: ConfigText | None,
) -> AsyncIterator["aiohttp.ClientResponse"]:
    import aiohttp  # noqa: PLC0415 - loaded only when a resource needs a document

    proxy = await egress.proxy(url)
    # The address of a proxy is the administrator's choice.
    checked = checked_socket(egress.refuses) if proxy is None else None
    async with (
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(ssl=egress.tls(authority), socket_factory=checked),
        ) as session,
        session.request(
            method, url, headers=headers, allow_redirects=False, proxy=proxy
        ) as response,
    ):
        yield response


async def _content(
    response: "aiohttp.ClientResponse", largest: int, before_large: Callable[[], Awaitable[object]]
) -> bytes:
    content, is_large = bytearray(), False
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > LARGE and not is_large:
            is_large = True
            await before_large()
        if len(content) > largest:
            raise ConfigurationError(f"its answer is larger than {_size(largest)}")
    return bytes(content)


def _redirected(response: "aiohttp.ClientResponse") -> str:
    """Return the address that a server redirects to, on the same server or its TLS port.

    The headers of the request may have a credential, and the operator may reach servers that the
    author of the manifest cannot.
    """
    old, location = response.url, response.headers.get("location", "")
    try:
        new = old.join(type(old)(location))
        same = new.origin() == old.origin()
    except ValueError as error:
        raise ConfigurationError("it redirects to no address: correct the server") from error
    to_tls = (old.scheme, new.scheme) == ("http", "https") and old.host == new.host
    if not location or not (same or (to_tls and old.is_default_port() and new.is_default_port())):
        raise ConfigurationError(
            "it redirects to another server, which the operator does not follow: set the address"
            " that it redirects to"
        )
    return str(new)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
