"""Two ends of a connection without a socket between them, and frames of a peer by hand."""

from omnia_rpc.http2 import frames
from omnia_rpc.http2.connection import Http2Connection, PeerLimits
from omnia_rpc.http2.errors import Http2ErrorCode
from omnia_rpc.http2.header_fields import Fields, encode
from omnia_rpc.http2.receiver import FrameReceiver
from omnia_rpc.http2.stream import Http2Stream

REQUEST = encode(
    ((":method", "POST"), (":scheme", "http"), (":path", "/s/M"), ("content-type", "x"))
)
RESPONSE = encode(((":status", "200"),))
TRAILERS = encode((("grpc-status", "0"),))


class Heard:
    """A listener that writes down what it hears."""

    def __init__(self, stream: Http2Stream | None = None) -> None:
        self.stream = stream
        self.fields: list[Fields] = []
        self.body = bytearray()
        self.over = False
        self.was_reset: Http2ErrorCode | None = None
        self.woken = 0

    def on_headers(self, fields: Fields, *, end: bool) -> None:  # noqa: ARG002 - the port's
        assert not self.over
        self.fields.append(fields)

    def on_data(self, data: bytes) -> None:
        assert not self.over
        self.body += data

    def on_end(self) -> None:
        assert not self.over
        self.over = True

    def on_reset(self, code: Http2ErrorCode, reason: str) -> None:
        assert self.was_reset is None
        assert reason
        self.was_reset = code

    def on_writable(self) -> None:
        self.woken += 1


class End:
    """One end."""

    def __init__(self, *, server: bool, limits: PeerLimits | None = None) -> None:
        self.calls: list[Heard] = []
        self.connection = Http2Connection(
            wake=lambda: None, limits=limits or PeerLimits(), accept=self.accept if server else None
        )
        self.receiver = FrameReceiver(self.connection)

    def accept(self, stream: Http2Stream, fields: Fields) -> Heard:
        heard = Heard(stream)
        heard.fields.append(fields)
        self.calls.append(heard)
        return heard

    def call(self) -> tuple[Http2Stream, Heard]:
        heard = Heard()
        heard.stream = self.connection.open_stream(REQUEST, heard)
        return heard.stream, heard

    def take(self) -> bytes:
        """Return everything that can be sent now."""
        said = b""
        while more := self.connection.data_to_send():
            said += more
        return said


def talk(*ends: End) -> None:
    """Carry bytes to and fro until both ends have nothing to say."""
    client, server = ends
    for _ in range(10_000):
        out, back = client.take(), server.take()
        if not out and not back:
            return
        server.receiver.receive(out)
        client.receiver.receive(back)
    raise AssertionError("they never stop")


def pair(limits: PeerLimits | None = None) -> tuple[End, End]:
    """Return a client and a server that know each other's settings."""
    client, server = End(server=False), End(server=True, limits=limits)
    talk(client, server)
    return client, server


def greeted(limits: PeerLimits | None = None) -> End:
    """Return a server to whom a client by hand has said its settings."""
    server = End(server=True, limits=limits)
    server.receiver.receive(frames.PREFACE + frames.settings({}))
    server.take()
    return server


def headers(stream_id: int, *, end: bool = False, block: bytes = REQUEST) -> bytes:
    return frames.header_frames(stream_id, block, end_stream=end)


def data(stream_id: int, payload: bytes, flags: int = 0) -> bytes:
    return frames.frame(frames.DATA, flags, stream_id, payload)


def kinds(said: bytes) -> list[tuple[int, int]]:
    """Return kind and stream of each frame."""
    found = []
    while said:
        length = int.from_bytes(said[:3], "big")
        found.append((said[3], int.from_bytes(said[5:9], "big")))
        said = said[9 + length :]
    return found
