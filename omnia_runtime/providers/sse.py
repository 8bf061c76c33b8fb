"""Server-sent events, read from bytes that may be cut anywhere."""

MAX_EVENT_BYTES = 16 * 1024 * 1024


class EventTooLong(ValueError):
    """An event that does not end."""

    def __init__(self) -> None:
        super().__init__(f"an event is longer than {MAX_EVENT_BYTES >> 20} MiB")


class SSEParser:
    """Collects the data of each event; names, ids, retries and comments are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that `piece` completes.

        Raises:
            EventTooLong: an event does not end.
        """
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            raise EventTooLong
        events: list[bytes] = []
        for line in lines:
            self._line(line.removesuffix(b"\r"), events)
        return events

    def end(self) -> list[bytes]:
        """Return the last event, where the peer did not close it with an empty line."""
        return self.feed(b"\n\n")

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data, self._size = [], 0
        elif line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            self._data.append(value)
            self._size += len(value)
        elif line == b"data":
            self._data.append(b"")
