"""Where a collector is: an OTLP endpoint in any of its common forms."""

from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

GRPC_PORT = 4317
HTTP_PORT = 4318
HTTP_PATH = "/v1/traces"


class Endpoint(Struct, frozen=True):
    """A collector.

    Attributes:
        path: of the URL, for OTLP over HTTP.
    """

    protocol: Literal["grpc", "http"]
    host: str
    port: int
    tls: bool
    path: str = ""

    @property
    def address(self) -> str:
        """`host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Read `host`, `host:port` or a URL.

    OTLP over HTTP is spoken on port 4318 and to a URL with a path, gRPC otherwise. A scheme
    `grpc`, `grpcs`, `http` or `https` says whether there is TLS; without a scheme there is none.

    Raises:
        ValueError: says what was expected; the text, which may hold a password, is not in it.
    """
    expected = "expected host:port or a URL such as http://collector:4317"
    url = urlsplit(text if "://" in text else f"//{text}")
    try:
        host, port = url.hostname, url.port
    except ValueError as error:
        raise ValueError(expected) from error
    if not host or url.scheme not in ("", "grpc", "grpcs", "http", "https"):
        raise ValueError(expected)
    if url.username is not None or url.query or url.fragment:
        raise ValueError(f"{expected}, without a user, a query and a fragment")
    tls = url.scheme in ("https", "grpcs")
    path = url.path.rstrip("/")
    if url.scheme in ("grpc", "grpcs") or not (path or port == HTTP_PORT):
        return Endpoint("grpc", host, port or GRPC_PORT, tls)
    default = (443 if tls else 80) if path else HTTP_PORT
    return Endpoint("http", host, port or default, tls, path or HTTP_PATH)
