"""The HTTP client of the process, shared by models and tools, created with the first call."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

_CONNECT_SECONDS = 10.0
# Users pause between turns for longer than aiohttp's default of 15 s, and a new connection costs a
# TLS handshake.
_KEEPALIVE_SECONDS = 60.0


class HTTPClient:
    """Owns the connections. It outlives reloads of the configuration, so they stay open."""

    def __init__(self, connector: "Callable[[], aiohttp.TCPConnector] | None" = None) -> None:
        """Open no connection yet; `connector` replaces the default connector."""
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> "aiohttp.ClientSession":
        """Return the session; call it on the event loop."""
        if self._session is None:
            import aiohttp  # noqa: PLC0415 - saves 15 MB in an agent without HTTP calls

            self._session = aiohttp.ClientSession(
                connector=self._connector()
                if self._connector
                else aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS),
                # The cookies of one user must never be sent with the calls of another.
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            )
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        if self._session:
            await self._session.close()
