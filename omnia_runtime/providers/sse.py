"""A parser of server-sent events, from bytes that may be cut anywhere."""

MAX_EVENT_BYTES = 16 * 1024 * 1024


class EventTooLong(ValueError):
    """An event is longer than `MAX_EVENT_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"an event is longer than {MAX_EVENT_BYTES >> 20} MiB")


class SSEParser:
    """Collects the data of each event; names, ids, retries and comments are ignored."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that `chunk` completes.

        Raises:
            EventTooLong: an event is too long.
        """
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) + self._size > MAX_EVENT_BYTES:
            raise EventTooLong
        events: list[bytes] = []
        for line in lines:
            self._line(line.removesuffix(b"\r"), events)
        return events

    def end(self) -> list[bytes]:
        """Return the last event, if the peer did not end it with an empty line."""
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
