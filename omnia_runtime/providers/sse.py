"""A parser of server-sent events, from bytes that may be cut anywhere.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from typing import Final

MAX_EVENT_BYTES = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
# Heartbeats, whose data is of no interest.
_HEARTBEATS: Final = frozenset({b"ping", b"keepalive", b"keep-alive", b"heartbeat"})
_OBJECT: Final = b"{"
# Data that says by itself what it is, as vendors write it.
_TYPED: Final = b'{"type"'


class EventTooLong(ValueError):
    """An event is longer than `MAX_EVENT_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"an event is longer than {MAX_EVENT_BYTES >> 20} MiB")


class NamedEvent(bytes):
    """The data of an event that does not say by itself what it is.

    Attributes:
        name: from the event's line `event:`.
    """

    name: str


class SSEParser:
    """Collects the data of each event; ids, retries, comments and heartbeats are ignored.

    An object that a server writes between the events without `data:` is an event too: servers
    report errors so.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._name = b""
        self._began = False
        self._bare = False
        # A line may end in CR, LF or CRLF; the cheap way is right while no CR stands alone.
        self._skip_lf = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that `chunk` completes.

        Raises:
            EventTooLong: an event is too long.
        """
        if not self._began:
            chunk = self._begin(chunk)
        if self._skip_lf or b"\r" in chunk:
            chunk = self._with_lf(chunk)
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            raise EventTooLong
        events: list[bytes] = []
        for line in lines:
            self._line(line, events)
        return events

    def end(self) -> list[bytes]:
        """Return the last event, if the peer did not end it with an empty line."""
        return self.feed(b"\n\n")

    def _begin(self, chunk: bytes) -> bytes:
        """Return the bytes after a byte order mark, which may come in pieces."""
        chunk, self._rest = self._rest + chunk, b""
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._rest = chunk
            return b""
        self._began = True
        return chunk.removeprefix(_BOM)

    def _with_lf(self, chunk: bytes) -> bytes:
        if self._skip_lf and chunk:
            chunk, self._skip_lf = chunk.removeprefix(b"\n"), False
        # The LF of a CRLF may be in the next chunk, but the line has ended.
        self._skip_lf = self._skip_lf or chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                self._dispatch(events)
            self._name = b""
        elif line.startswith(b"data:"):
            if self._bare:
                self._dispatch(events)
            value = line[5:].removeprefix(b" ")
            self._data.append(value)
            self._size += len(value)
        elif line.startswith(b"event:"):
            self._name = line[6:].strip()
        elif self._bare or line.startswith(_OBJECT):
            if self._data and not self._bare:
                self._dispatch(events)
            self._bare = True
            self._data.append(line)
            self._size += len(line)
        elif line == b"data":
            self._data.append(b"")

    def _dispatch(self, events: list[bytes]) -> None:
        data = b"\n".join(self._data) if len(self._data) > 1 else self._data[0]
        self._data, self._size, self._bare = [], 0, False
        if not self._name:
            events.append(data)
        elif self._name not in _HEARTBEATS or data.startswith(_OBJECT):
            if self._name == b"error" or not data.startswith(_TYPED):
                named = NamedEvent(data)
                named.name = self._name.decode(errors="replace")
                data = named
            events.append(data)
