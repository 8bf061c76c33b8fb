"""Fetches a document over HTTP, up to a size."""

from collections.abc import Mapping

from omnia_core.errors import ConfigurationError
from omnia_operator.discovery.failure import HttpStatus

_SUCCESS = 200


async def fetch_bytes(
    url: str, headers: Mapping[str, str], limit: float, *, largest: int, max_redirects: int
) -> bytes:
    """Return the content of a document.

    Args:
        url: its address.
        headers: headers of the request.
        limit: seconds that the whole request may take.
        largest: bytes that the content may have.
        max_redirects: redirects that are followed; with 0 a redirect is a failure.

    Raises:
        HttpStatus: the status is not 200.
        ConfigurationError: the content is too large.
        Exception: of the connection.
    """
    import aiohttp  # noqa: PLC0415 - loaded only when a resource needs a document

    timeout = aiohttp.ClientTimeout(total=limit)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(
            url,
            headers=headers,
            allow_redirects=max_redirects > 0,
            max_redirects=max_redirects,
        ) as response,
    ):
        if response.status != _SUCCESS:
            raise HttpStatus(response.status)
        content = bytearray()
        async for chunk in response.content.iter_chunked(1 << 16):
            content += chunk
            if len(content) > largest:
                raise ConfigurationError(f"its answer is larger than {_size(largest)}")
    return bytes(content)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
