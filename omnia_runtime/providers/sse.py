"""A parser of server-sent events, from bytes that may be cut anywhere.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from typing import Final

MAX_EVENT_BYTES = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
# Heartbeats, whose data is of no interest.
_HEARTBEATS: Final = frozenset({b"ping", b"keepalive", b"keep-alive", b"heartbeat"})
_BARE: Final = b"{"
# Data that says by itself what it is, as vendors write it.
_TYPED: Final = b'{"type"'


class EventTooLong(ValueError):
    """An event is longer than `MAX_EVENT_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"sent more than {MAX_EVENT_BYTES >> 20} MiB in one event")


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
        self._too_long = False
        # The line `event:` of the event, or `_BARE` within an object beside the events.
        self._name: bytes | None = None
        self._began = False
        self._skip_lf = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that `chunk` completes, up to one that is too long.

        Raises:
            EventTooLong: an event is too long, and those before it were returned.
        """
        if self._too_long:
            raise EventTooLong
        events: list[bytes] = []
        data = self._data
        try:
            for line in self._lines(chunk):
                if line.startswith(b"data: ") and self._name is not _BARE:
                    data.append(line[6:])
                    self._size += len(line)
                elif not line:
                    if data:
                        self._dispatch(events)
                    self._name = None
                else:
                    self._other_line(line, events)
            if len(self._rest) > MAX_EVENT_BYTES or self._size > MAX_EVENT_BYTES:
                raise EventTooLong  # noqa: TRY301 - events before it are returned first
        except EventTooLong:
            self._too_long = True
            if not events:
                raise
        return events

    def _lines(self, chunk: bytes) -> list[bytes]:
        """Return the lines that `chunk` completes, without their ends."""
        if not self._began:
            chunk = self._begin(chunk)
        elif self._skip_lf and chunk:
            # The LF of a CRLF whose CR was the end of the last chunk.
            chunk, self._skip_lf = chunk.removeprefix(b"\n"), False
        lines = (self._rest + chunk).splitlines()
        self._rest = b""
        if not chunk.endswith(b"\n"):
            if chunk.endswith(b"\r"):
                self._skip_lf = True
            elif lines:
                self._rest = lines.pop()
        return lines

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

    def _other_line(self, line: bytes, events: list[bytes]) -> None:
        length = len(line)
        # Of a line that is ignored too: its beginning was refused if it came by itself.
        if length > MAX_EVENT_BYTES:
            raise EventTooLong
        if line.startswith(b"event:") and self._name is not _BARE:
            self._name = line
            return
        is_data = line.startswith(b"data:") or line == b"data"
        if self._name is _BARE:
            if is_data:
                self._dispatch(events)
                self._name = None
        elif line.startswith(b"{"):
            if self._data:
                self._dispatch(events)
            self._name = _BARE
        if is_data:
            line = line[5:].removeprefix(b" ")
        elif self._name is not _BARE:
            return
        self._data.append(line)
        # Of an empty value too: each has a place in the list.
        self._size += length

    def _dispatch(self, events: list[bytes]) -> None:
        if self._size > MAX_EVENT_BYTES:
            raise EventTooLong
        data = self._data
        event = data[0] if len(data) == 1 else b"\n".join(data)
        data.clear()
        self._size = 0
        if self._name is None or event.startswith(_TYPED) or self._name is _BARE:
            events.append(event)
            return
        name = self._name[6:].strip()
        if name not in _HEARTBEATS or event.startswith(b"{"):
            named = NamedEvent(event)
            named.name = name.decode(errors="replace")
            events.append(named)
