"""The HTTP client of the process, for models and tools, made when the first call needs it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

_CONNECT_SECONDS = 10.0
# People pause between turns for longer than aiohttp's 15 s; a new connection costs a TLS handshake.
_KEPT_SECONDS = 60.0


class HTTPClient:
    """Holds the connections. It outlives a reload, so that they stay warm."""

    def __init__(self, connector: "Callable[[], aiohttp.TCPConnector] | None" = None) -> None:
        """Connect nothing yet; `connector` makes connections other than the usual ones."""
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> "aiohttp.ClientSession":
        """Return the session; call it on the event loop."""
        if self._session is None:
            import aiohttp  # noqa: PLC0415 - 15 MB that an agent without HTTP calls does not need

            self._session = aiohttp.ClientSession(
                connector=self._connector()
                if self._connector
                else aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS),
                # one user's cookies must never reach another's call
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            )
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        if self._session:
            await self._session.close()
