"""A conversation in exchanges: a message of the user, and everything that answers it.

An exchange is kept or left out as a whole, so that a tool's call and its result stay together.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from omnia_core.sessions import Message
from omnia_runtime.agent.tokens import of_messages

_NOT_FINISHED = '{"error":"not finished"}'


class Exchange(Struct, frozen=True):
    """Messages that belong together, without summaries.

    Attributes:
        start: index of its first record in the session.
        stop: index after its last record that is no summary.
        tokens: the estimate for `messages`.
    """

    start: int
    stop: int
    messages: tuple[Message, ...]
    tokens: int


def split(records: Sequence[Message]) -> list[Exchange]:
    """Cut the records of a session into exchanges.

    What precedes the first message of the user is an exchange too. Each call has its result, and
    each result its call: a turn that was cut by the end of a process may have left one alone, and
    a vendor refuses such a conversation for good.
    """
    return [
        Exchange(start, stop, messages, of_messages(messages))
        for start, stop, messages in _cut(records)
    ]


def whole(records: Sequence[Message]) -> tuple[Message, ...]:
    """Return the messages of all exchanges."""
    return tuple(message for _, _, messages in _cut(records) for message in messages)


def _cut(records: Sequence[Message]) -> Iterator[tuple[int, int, tuple[Message, ...]]]:
    spoken = [(index, each) for index, each in enumerate(records) if each.role != "summary"]
    starts = [at for at, (_, each) in enumerate(spoken) if at == 0 or each.role == "user"]
    for start, stop in zip(starts, [*starts[1:], len(spoken)], strict=True):
        messages = tuple(_paired([each for _, each in spoken[start:stop]]))
        if messages:
            yield spoken[start][0], spoken[stop - 1][0] + 1, messages


def _paired(messages: Sequence[Message]) -> Iterator[Message]:
    waiting: list[str] = []  # ids of the calls above that have no result yet
    for message in messages:
        if message.role == "tool":
            if message.tool_call_id in waiting:
                waiting.remove(message.tool_call_id)
                yield message
            continue
        yield from map(_not_finished, waiting)
        yield message
        waiting = [call.id for call in message.tool_calls]
    yield from map(_not_finished, waiting)


def _not_finished(call_id: str) -> Message:
    return Message("tool", _NOT_FINISHED, tool_call_id=call_id, is_error=True)
