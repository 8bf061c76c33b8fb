"""Keeps results beside the sessions that `omnia up` recorded."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from omnia_cli.evaluation.recorded import ReadSession
from omnia_core.files.evals.case_results import CaseResult
from omnia_core.names import EvalOutcome
from omnia_core.sessions import EvalResult, SessionSettings
from omnia_core.sessions.audit import timestamp
from omnia_core.units import Duration

# Writing results renews no session, so that the time to live does not matter.
_TTL = Duration.parse("24h")


def keep(
    file: Path, namespace: str, sessions: Sequence[ReadSession], answers: Sequence[CaseResult]
) -> int:
    """Write results to the file of a project; return how many of them are new.

    Raises:
        StoreUnavailable: the file cannot be written.
    """
    return asyncio.run(_keep(file, namespace, sessions, answers))


async def _keep(
    file: Path, namespace: str, sessions: Sequence[ReadSession], answers: Sequence[CaseResult]
) -> int:
    # Imported when it is used: other commands need no driver.
    from omnia_core.sessions.sqlite.store import SqliteSessionStore  # noqa: PLC0415 - as above

    new = 0
    for answer in answers:
        read = sessions[answer.index]
        settings = SessionSettings(ttl=_TTL, namespace=namespace, agent=read.agent)
        store = SqliteSessionStore(file, settings)
        try:
            new += await store.add_eval_results(list(kept_results(read, answer)))
        finally:
            await store.close()
    return new


def kept_results(read: ReadSession, answer: CaseResult) -> Iterator[EvalResult]:
    """Yield the results of a session as stores keep them."""
    session, at = read.session, timestamp()
    decided = {EvalOutcome.PASSED: True, EvalOutcome.FAILED: False}
    for each in answer.results:
        yield EvalResult(
            session=session.id,
            turn=each.turn or session.session.turns,
            at=at,
            evaluation=each.id,
            type=each.type,
            trigger=answer.triggers.get(each.id, ""),
            source="manual",
            outcome=each.outcome,
            score=each.score,
            passed=decided.get(each.outcome),
            threshold=each.threshold,
            explanation=each.explanation,
            error=each.error,
            duration_ms=each.duration_ms,
        )
