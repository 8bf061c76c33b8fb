"""Recorded sessions: what each turn of one gives evaluations to look at. Pure."""

from collections.abc import Sequence

from omnia_core.conversation.finish_reasons import CANCELLED, INTERRUPTED
from omnia_core.sessions import Message
from omnia_core.sessions.recorded import RecordedSession
from omnia_core.sessions.records import is_placeholder
from omnia_runtime.evals.facts import Facts, calls_in

# Answers that ended before they were complete.
_PARTIAL = (CANCELLED, INTERRUPTED, "error")


def facts_of(session: RecordedSession) -> list[Facts]:
    """Return what is known of each turn that has a complete answer."""
    messages = [each for each in session.messages if each.role != "summary"]
    begins = [at for at, each in enumerate(messages) if each.role == "user"]
    calls = calls_in(messages)
    found = []
    for number, (begin, end) in enumerate(zip(begins, [*begins[1:], None], strict=True), 1):
        answer = _answer(messages[begin:end])
        if answer is None:
            continue
        about = session.turns.get(session.deleted_turns + number)
        found.append(
            Facts(
                session_id=session.id,
                turn=number,
                output=answer.content,
                messages=messages[:end],
                calls=[call for call in calls if call.turn <= number],
                usage=about.usage if about else None,
                latency_ms=about.latency_ms if about else None,
                blocked=about.blocked if about else "",
            )
        )
    return found


def _answer(turn: Sequence[Message]) -> Message | None:
    last = turn[-1]
    if last.role != "assistant" or last.tool_calls or is_placeholder(last):
        return None
    return None if last.finish_reason in _PARTIAL else last
