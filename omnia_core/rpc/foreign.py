"""What a program that does not speak gRPC gets: an answer of HTTP."""

from omnia_core.http2.errors import ErrorCode
from omnia_core.http2.fields import Fields, encode
from omnia_core.http2.stream import Stream

_TEXT = b"This server speaks gRPC: expected the content type application/grpc.\n"
_FIELDS = encode(
    ((":status", "415"), ("content-type", "text/plain"), ("content-length", str(len(_TEXT))))
)


class NotGrpc:
    """Answers, and lets what the client still sends go by."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def headers(self, fields: Fields, *, end: bool) -> None:
        """Ignore trailers."""

    def data(self, data: bytes) -> None:
        self._stream.consumed(len(data))

    def ended(self) -> None:
        """Answer when the request is whole, as clients expect it."""
        self._stream.send_headers(_FIELDS)
        self._stream.send(_TEXT)
        self._stream.end()

    def reset(self, code: ErrorCode, reason: str) -> None:
        """Nobody waits for an answer any more."""

    def writable(self) -> None:
        """There is nothing more to write."""
