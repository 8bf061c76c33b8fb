"""The head of an HTTP/1 request: its limits, and what of it decides who serves the request."""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

END = b"\r\n\r\n"
# A token with many claims and the headers of several proxies fit; Envoy's defaults are similar.
MAX_HEAD_BYTES = 64 * 1024
MAX_HEAD_FIELDS = 100


class RepeatedField(str):
    """The joined values of a header that came more than once (RFC 9110, section 5.3)."""

    __slots__ = ()


class RequestHead(Struct, frozen=True):
    """A request without its body. Header names are lower-case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def is_upgrade(self) -> bool:
        """Whether the request asks for an upgrade to WebSocket."""
        return (
            self.method == "GET"
            and self.headers.get("upgrade", "").lower() == "websocket"
            and "upgrade" in self.headers.get("connection", "").lower()
        )

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        values = parse_qs(self.query).get(name)
        return values[-1] if values else None


def parse_head(data: bytes) -> RequestHead | None:
    """Parse a head without its final empty line; None if it is not an HTTP/1 request."""
    # Decoded as aiohttp does: a credential must mean the same for HTTP and for WebSocket.
    first, *lines = data.decode("utf-8", "surrogateescape").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
        return None
    try:
        target = urlsplit(words[1])
    except ValueError:
        return None
    fields: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            return None
        fields.append((name.lower(), value.strip()))
    return RequestHead(words[0], target.path, target.query, joined_headers(fields))


def joined_headers(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by name; the values of a repeated one are joined (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for name, value in fields:
        headers[name] = RepeatedField(f"{headers[name]}, {value}") if name in headers else value
    return headers
