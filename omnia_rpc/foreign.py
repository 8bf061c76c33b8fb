"""What a program that does not speak gRPC gets: an answer of HTTP."""

from omnia_rpc.http2.errors import ErrorCode
from omnia_rpc.http2.fields import Fields, encode
from omnia_rpc.http2.stream import Stream

_NOT_POST = "405", "This server speaks gRPC: expected the method POST.\n"
_NO_TYPE = "415", "This server speaks gRPC: expected the content type application/grpc.\n"


class NotGrpc:
    """Answers, and lets what the client still sends go by."""

    def __init__(self, stream: Stream, method: str) -> None:
        self._stream = stream
        self._method = method

    def headers(self, fields: Fields, *, end: bool) -> None:
        """Ignore trailers."""

    def data(self, data: bytes) -> None:
        self._stream.consumed(len(data))

    def ended(self) -> None:
        """Answer when the request is whole, as clients expect it."""
        status, text = _NO_TYPE if self._method == "POST" else _NOT_POST
        fields = encode(
            (
                (":status", status),
                ("content-type", "text/plain"),
                ("content-length", str(len(text))),
                *((("allow", "POST"),) if status == _NOT_POST[0] else ()),
            )
        )
        if self._method == "HEAD":
            self._stream.end(fields)
            return
        self._stream.send_headers(fields)
        self._stream.send(text.encode())
        self._stream.end()

    def reset(self, code: ErrorCode, reason: str) -> None:
        """Nobody waits for an answer any more."""

    def writable(self) -> None:
        """There is nothing more to write."""
