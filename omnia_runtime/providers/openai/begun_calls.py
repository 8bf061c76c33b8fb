"""Tool calls of responses, put together from pieces until their items are complete."""

from typing import Generic, TypeVar

from omnia_runtime.providers.answer_size import ITEM, AnswerSize

T = TypeVar("T")


class BegunCall(Generic[T]):
    """A call that arrives in pieces.

    Attributes:
        item: the call as it was announced.
        length: the characters of its arguments so far.
    """

    __slots__ = ("item", "length", "pieces")

    def __init__(self, item: T, arguments: str) -> None:
        self.item = item
        self.pieces = [arguments]
        self.length = len(arguments)

    @property
    def arguments(self) -> str:
        """The arguments so far."""
        return "".join(self.pieces)


class BegunCalls(Generic[T]):
    """The calls that are not complete yet, by their keys; what is kept is added to a size."""

    def __init__(self, size: AnswerSize) -> None:
        self._size = size
        self._calls: dict[str, BegunCall[T]] = {}
        self._at: dict[int | None, str] = {}

    def key(self, item_id: str | None, position: int | None, *, begins: bool) -> str:
        """Return the key of the call that an event belongs to.

        It is the call with this id. Some servers give every event a new id, so that only the
        position in the output tells the calls apart.
        """
        key = item_id or f"#{position}"
        if key not in self._calls:
            if not begins:
                key = self._at.get(position, key)
            self._at[position] = key
        return key

    def begin(self, key: str, item: T, name: str, arguments: str) -> None:
        """Begin a call, unless it has begun.

        Raises:
            AnswerTooLong: there is too much in the calls; here as in `add`.
        """
        if key not in self._calls:
            self._size.add_arguments(ITEM + len(key) + len(name) + len(arguments))
            self._calls[key] = BegunCall(item, arguments)

    def add(self, key: str, delta: str | None, whole: str | None) -> None:
        """Add a piece of the arguments, or replace them by the `whole`."""
        call = self._calls[key]
        if whole is not None:
            self._size.add_arguments(max(len(whole) - call.length, 0))
            call.pieces, call.length = [whole], len(whole)
        elif delta:
            self._size.add_arguments(len(delta))
            call.pieces.append(delta)
            call.length += len(delta)

    def end(self, key: str) -> int:
        """Forget a call that is complete, and return how many characters were counted of it."""
        call = self._calls.pop(key, None)
        return call.length if call else 0

    def items(self) -> list[tuple[str, BegunCall[T]]]:
        """Return the calls that are left, in their order."""
        return list(self._calls.items())
