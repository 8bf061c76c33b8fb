"""The head of a request, read just far enough to know who should answer it."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

END = b"\r\n\r\n"


class RequestHead(Struct, frozen=True):
    """A request without its body. Header names are lower-case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def is_upgrade(self) -> bool:
        """Whether the client wants to talk WebSocket."""
        return (
            self.headers.get("upgrade", "").lower() == "websocket"
            and "upgrade" in self.headers.get("connection", "").lower()
        )

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        values = parse_qs(self.query).get(name)
        return values[-1] if values else None


def parse_head(data: bytes) -> RequestHead | None:
    """Read a head without its final empty line; None when it is no HTTP/1 request."""
    first, *lines = data.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
        return None
    try:
        target = urlsplit(words[1])
    except ValueError:
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            return None
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return RequestHead(words[0], target.path, target.query, headers)
