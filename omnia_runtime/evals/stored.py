"""The facts of turns and sessions, from the messages of a stored session."""

from collections.abc import Iterator, Sequence

from omnia_core.conversation.finish_reasons import INTERRUPTED
from omnia_core.sessions import Message, Session
from omnia_runtime.evals.facts import CallFact, Facts, calls_in

# How an answer ends that is only a part of one.
_PARTIAL = frozenset({"cancelled", "error", INTERRUPTED})


def answered_turns(session: Session) -> Iterator[Facts]:
    """Yield the turns that are kept and have an answer, in order.

    The answer of a turn is all that the agent has said in it. A turn that was cancelled or failed
    has none, and neither has the one that is running.
    """
    before = session.deleted.turns if session.deleted else 0
    messages = session.messages
    calls = calls_in(messages, before)
    begins = [at for at, each in enumerate(messages) if each.role == "user"]
    for number, (begin, end) in enumerate(
        zip(begins, [*begins[1:], len(messages)], strict=True), start=before + 1
    ):
        answers = [each for each in messages[begin:end] if each.role == "assistant"]
        if answers and answers[-1].finish_reason not in _PARTIAL and answers[-1].content:
            yield _facts(session, messages[:end], number, answers, calls)


def _facts(
    session: Session,
    messages: Sequence[Message],
    turn: int,
    answers: Sequence[Message],
    calls: Sequence[CallFact],
) -> Facts:
    return Facts(
        session_id=session.id,
        turn=turn,
        output="".join(each.content for each in answers),
        messages=messages,
        calls=[each for each in calls if each.turn <= turn],
        usage=None,
        blocked=None,
    )
