"""What each turn of a stored session gives evaluations to look at. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import structs

from omnia_core.conversation.finish_reasons import CANCELLED, INTERRUPTED
from omnia_core.sessions import Message
from omnia_core.sessions.recorded import RecordedSession
from omnia_core.sessions.records import is_placeholder
from omnia_runtime.evals.facts import Facts, calls_in
from omnia_runtime.turns.ended import without_refused

# Answers that ended before they were complete.
_PARTIAL = frozenset({CANCELLED, INTERRUPTED, "error"})


def answered_turns(recorded: RecordedSession) -> Iterator[Facts]:
    """Yield what is known of each kept turn that has a complete answer, in order.

    The answer of a turn is all that the agent has said in it. A turn that was cancelled or failed
    has none, and neither has the one that is running. One that was copied from another session is
    evaluated there.
    """
    session = recorded.session
    before = session.deleted.turns if session.deleted else 0
    messages = [message for message in session.messages if message.role != "summary"]
    calls = calls_in(messages, before)
    begins = [at for at, each in enumerate(messages) if each.role == "user"]
    for number, (begin, end) in enumerate(pairwise([*begins, len(messages)]), start=before + 1):
        if messages[begin].forked_from or not _is_complete(messages[end - 1]):
            continue
        about = recorded.turns.get(number)
        yield Facts(
            session_id=session.id,
            turn=number,
            output=_said(messages[begin:end]),
            messages=messages[:end],
            calls=[call for call in calls if call.turn <= number],
            usage=about.usage if about else None,
            latency_ms=about.latency_ms if about else None,
            blocked=about.blocked if about else None,
            variant=messages[begin].variant,
        )


def as_call(recorded: RecordedSession) -> RecordedSession:
    """Return a call of a function as the only turn of its session.

    Where an answer did not fit the output schema, its session also has that answer and the request
    for another one.
    """
    session = recorded.session
    messages = tuple(without_refused(session.messages))
    known = list(recorded.turns.values())[-1:]
    return RecordedSession(
        structs.replace(session, messages=messages), dict(enumerate(known, start=1))
    )


def _is_complete(last: Message) -> bool:
    if last.role != "assistant" or last.tool_calls or is_placeholder(last):
        return False
    return bool(last.content or last.parts) and last.finish_reason not in _PARTIAL


def _said(turn: Sequence[Message]) -> str:
    return "".join(each.content for each in turn if each.role == "assistant")
