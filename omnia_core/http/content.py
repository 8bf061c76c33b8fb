"""A document that is built once, and sent compressed to clients that accept that."""

from collections.abc import Mapping
from http import HTTPStatus

from msgspec import Struct

from omnia_core.http.head import RequestHead


class StaticContent(Struct, frozen=True):
    """The bytes of a document, and the headers of its content.

    Attributes:
        compressed: the body as gzip has it; empty if it is never compressed.
    """

    body: bytes
    headers: Mapping[str, str]
    compressed: bytes = b""

    def content(self, accept_encoding: str) -> tuple[dict[str, str], bytes]:
        """Return headers and body for a client that accepts these codings."""
        headers = dict(self.headers)
        if not self.compressed:
            return headers, self.body
        headers["Vary"] = "Accept-Encoding"
        if not accepts_gzip(accept_encoding):
            return headers, self.body
        headers["Content-Encoding"] = "gzip"
        return headers, self.compressed

    def response(self, head: RequestHead) -> bytes:
        """Return a whole HTTP response to a GET or HEAD, after which the connection closes."""
        headers, body = self.content(head.headers.get("accept-encoding", ""))
        lines = [
            f"HTTP/1.1 200 {HTTPStatus.OK.phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if head.method == "HEAD" else body)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding names gzip, and does not rule it out (RFC 9110, 12.5.3)."""
    for each in accept_encoding.lower().split(","):
        coding, _, weight = each.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0") not in {"q=", "q=0."}
    return False
