"""The HTTP client of the process, shared by models and tools, created with the first call."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from omnia_core.errors import ConfigurationError
from omnia_core.files.config_text import ConfigText

if TYPE_CHECKING:
    import ssl

    import aiohttp

_CONNECT_SECONDS = 10.0
# Users pause between turns for longer than aiohttp's default of 15 s, and a new connection costs a
# TLS handshake.
_KEEPALIVE_SECONDS = 60.0
# Gateways add long headers; aiohttp's default is 8 KiB for each.
_MAX_HEADER = 64 * 1024
# OpenAI and Anthropic send the first one, Azure the second.
_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")


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
                max_line_size=_MAX_HEADER,
                max_field_size=_MAX_HEADER,
            )
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        if self._session:
            await self._session.close()


def server_tls(authority: ConfigText | None) -> "ssl.SSLContext | bool":
    """Return how TLS with a server is checked, for aiohttp; True checks by the public authorities.

    Raises:
        ValueError: the authority is missing, or no certificate.
    """
    if authority is None:
        return True
    from omnia_core.authorities import context_with  # noqa: PLC0415 - few servers have their own

    try:
        return context_with(authority) or True
    except ConfigurationError as error:
        raise ValueError(error.message) from error


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds that a response asks to wait, None when it asks for none.

    `Retry-After` contains seconds or a date (RFC 9110, 10.2.3); some vendors also send milliseconds
    in another header. `now` is the current time in seconds since 1970.
    """
    for name in _MILLISECONDS:
        if (precise := seconds(headers.get(name))) is not None:
            return precise / 1000
    text = headers.get("Retry-After")
    wait = seconds(text)
    return wait if wait is not None or text is None else _until(text, now)


def seconds(value: object) -> float | None:
    """Return a number of seconds, such as "2" or "3.5s"; None if it is none."""
    try:
        number = float(str(value).removesuffix("s"))
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _until(text: str, now: float | None) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few vendors send a date

    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(moment - (time.time() if now is None else now), 0.0)
