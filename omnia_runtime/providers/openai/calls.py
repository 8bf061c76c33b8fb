"""Tool calls of chat completions, put together from the pieces that servers really send."""

from collections.abc import Sequence

from omnia_runtime.ports.model import ToolCallRequest
from omnia_runtime.providers.answer_size import PIECE, AnswerSize
from omnia_runtime.providers.vendor_stream import (
    is_json,
    nameless_call,
    settled_arguments,
    with_unique_ids,
)

# How some servers write that a call has no id.
_NO_IDS = frozenset({"null", "none", "undefined"})


class _Call:
    """A tool call that arrives in pieces."""

    __slots__ = ("arguments", "extra", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.extra = b""


class CallPieces:
    """Assigns each piece to a call: by its index, by its id, else by its name."""

    def __init__(self, size: AnswerSize) -> None:
        """Collect no call yet; what is collected is added to `size`."""
        self._size = size
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(
        self,
        index: int | None,
        call_id: str,
        name: str,
        arguments: str,
        *,
        extra: bytes,
        whole: bool,
    ) -> None:
        """Add a piece.

        Args:
            index: of the call; None if the server does not number its calls.
            call_id: of the call; "" if the piece has none.
            name: of the tool; "" if the piece has none.
            arguments: the next characters of the arguments.
            extra: the `extra_content` of the piece, as JSON; empty if it has none.
            whole: whether the piece is a call of its own.

        Raises:
            AnswerTooLong: the answer has too many calls, or too much in them.
        """
        if call_id.lower() in _NO_IDS:
            call_id = ""
        if not (call_id or name or arguments or extra):
            # Some servers end the calls with a piece that says nothing.
            return
        call = None if whole else self._started(index, call_id, name)
        if call is None:
            self._size.add_call(len(call_id))
            call = _Call()
            self._calls.append(call)
        if index is not None:
            if index not in self._slots:
                self._size.add_arguments(PIECE)
            self._slots[index] = call
        call.id = call.id or call_id
        if name and name != call.name:
            self._size.add_arguments(len(name))
            call.name = name
        if arguments:
            self._size.add_arguments(len(arguments))
            call.arguments.append(arguments)
        if extra:
            self._size.add_arguments(len(extra))
            call.extra = extra

    def _started(self, index: int | None, call_id: str, name: str) -> _Call | None:
        """Return the call that a piece continues, None if it begins one."""
        by_id = next((call for call in self._calls if call_id and call.id == call_id), None)
        if index is None:
            call = by_id or (self._calls[-1] if self._calls else None)
        elif index in self._slots:
            call = self._slots[index]
        else:
            # Some servers count the pieces instead of the calls.
            call = by_id if not name else None
        return None if call is None or _begins_another(call, call_id, name) else call

    def extras(self) -> list[bytes]:
        """Return the `extra_content` of each call, as JSON; empty if it has none."""
        return [call.extra for call in self._calls]

    def requests(self) -> list[ToolCallRequest]:
        """Return the calls in their order, each with an id of its own.

        Raises:
            VendorFailure: the name of a call did not arrive.
        """
        found: list[ToolCallRequest] = []
        for call in self._calls:
            arguments = _joined(call.arguments)
            if not call.name:
                raise nameless_call()
            found.append(ToolCallRequest(call.id, call.name, arguments))
        return with_unique_ids(found)


def _begins_another(call: _Call, call_id: str, name: str) -> bool:
    """Whether a piece with these begins a new call although `call` has its index, or is the last.

    Some servers give every call the index 0, or none; some repeat id and name in every piece; some
    give every piece a new id.
    """
    if not name:
        return False
    if call_id and call.id and call_id != call.id:
        return True
    if not name.startswith(call.name):
        return True
    if call_id and call.id:
        return False
    return bool(call.name) and is_json("".join(call.arguments))


def _joined(pieces: Sequence[str]) -> str:
    """Return the arguments of a call; some servers send in each piece all that came before, too."""
    if len(pieces) > 1 and all(map(str.startswith, pieces[1:], pieces)) and is_json(pieces[-1]):
        return pieces[-1]
    return settled_arguments("".join(pieces))
