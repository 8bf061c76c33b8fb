"""What clients have sent that is not answered yet: bounded for the whole pod."""

# A message of fewer bytes is no reason to refuse anything.
LARGE = 64 * 1024


class Received:
    """Bytes that all connections hold: messages that wait or are answered, and unfinished ones.

    Beyond the limit large messages are refused when they are whole. So that they may become whole,
    there is room for half as much again; beyond that nobody goes on with one.
    """

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    @property
    def too_much(self) -> bool:
        """Whether large messages have to be refused."""
        return self._held > self._limit

    @property
    def far_too_much(self) -> bool:
        """Whether large messages must not go on."""
        return self._held > self._limit * 1.5

    def change(self, by: int) -> None:
        """Hold so much more, or less."""
        self._held += by
