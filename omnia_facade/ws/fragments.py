"""A message that comes in several frames."""


class Fragments:
    """What has come so far; the protocol has checked order and total size.

    Attributes:
        binary: whether the message is no text.
        size: in bytes.
    """

    __slots__ = ("_pieces", "binary", "size")

    def __init__(self, first: bytes, *, binary: bool) -> None:
        self.binary = binary
        self.size = len(first)
        self._pieces = [first]

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self._pieces.append(piece)
        self.size += len(piece)

    def whole(self) -> bytes:
        """Return the message."""
        return b"".join(self._pieces)
