"""The address of a collector: an OTLP endpoint in any of its common forms."""

from typing import Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

GRPC_PORT = 4317
HTTP_PORT = 4318
HTTP_PATH = "/v1/traces"

Protocol: TypeAlias = Literal["grpc", "http"]

_EXPECTED = "expected host:port or a URL such as http://collector:4317"
# The values of OTEL_EXPORTER_OTLP_PROTOCOL that the exporters speak.
_PROTOCOLS: dict[str, Protocol] = {"grpc": "grpc", "http/protobuf": "http"}


class Endpoint(Struct, frozen=True):
    """A collector.

    Attributes:
        path: of the URL, for OTLP over HTTP.
    """

    protocol: Protocol
    host: str
    port: int
    tls: bool
    path: str = ""

    @property
    def url(self) -> str:
        """The URL; `http` and `https` say for gRPC, too, whether there is TLS."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"


def parse_endpoint(text: str, protocol: Protocol | None = None) -> Endpoint:
    """Read `host`, `host:port` or a URL.

    Without a `protocol`, OTLP over HTTP is spoken on port 4318 and to a URL with a path, gRPC
    otherwise. A scheme `grpc`, `grpcs`, `http` or `https` says whether there is TLS; without a
    scheme there is none.

    Raises:
        ValueError: says what was expected; the text, which may hold a password, is not in it.
    """
    url = _split(text)
    try:
        host, port = url.hostname, url.port
    except ValueError as error:
        raise ValueError(_EXPECTED) from error
    if not host or url.scheme not in ("", "grpc", "grpcs", "http", "https"):
        raise ValueError(_EXPECTED)
    if url.username is not None or url.query or url.fragment:
        raise ValueError(f"{_EXPECTED}, without a user, a query and a fragment")
    tls = url.scheme in ("https", "grpcs")
    path = url.path.rstrip("/")
    if protocol is None:
        says_http = url.scheme not in ("grpc", "grpcs") and (path or port == HTTP_PORT)
        protocol = "http" if says_http else "grpc"
    if protocol == "grpc":
        return Endpoint("grpc", host, port or GRPC_PORT, tls)
    default = (443 if tls else 80) if path else HTTP_PORT
    return Endpoint("http", host, port or default, tls, path or HTTP_PATH)


def parse_protocol(text: str) -> Protocol:
    """Read a value of `OTEL_EXPORTER_OTLP_PROTOCOL`.

    Raises:
        ValueError: says what was expected.
    """
    if text not in _PROTOCOLS:
        raise ValueError(f"expected {' or '.join(_PROTOCOLS)}")
    return _PROTOCOLS[text]


def protocol_of(text: str) -> Protocol:
    """Return the protocol for a value of `OTEL_EXPORTER_OTLP_ENDPOINT` that comes without one.

    Port 4317 means gRPC. Otherwise the standard's default holds, which is HTTP.
    """
    try:
        return "grpc" if _split(text).port == GRPC_PORT else "http"
    except ValueError:
        return "http"


def _split(text: str) -> SplitResult:
    return urlsplit(text if "://" in text else f"//{text}")
