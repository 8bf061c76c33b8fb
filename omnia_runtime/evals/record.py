"""Results as stores keep them."""

from omnia_core.files.evals import EvalSpec
from omnia_core.files.evals.case_results import Evaluation
from omnia_core.names import EvalOutcome
from omnia_core.sessions import EvalResult
from omnia_core.sessions.audit import timestamp
from omnia_core.sessions.evaluations import EvalSource
from omnia_runtime.evals.facts import Facts

# Characters of an explanation or an error.
LONGEST_TEXT = 2000
_PASSED = {EvalOutcome.PASSED: True, EvalOutcome.FAILED: False}


def record(
    spec: EvalSpec,
    facts: Facts,
    found: Evaluation,
    *,
    source: EvalSource,
    pack_version: str,
    at: str = "",
) -> EvalResult:
    """Return the result of an evaluation that ended `at` a time, by default now."""
    return EvalResult(
        session=facts.session_id,
        turn=facts.turn,
        at=at or timestamp(),
        evaluation=spec.id,
        type=spec.type,
        trigger=spec.trigger,
        source=source,
        outcome=found.outcome,
        score=found.score,
        passed=_PASSED.get(found.outcome),
        threshold=found.threshold,
        explanation=found.explanation[:LONGEST_TEXT],
        error=found.error[:LONGEST_TEXT],
        duration_ms=round(found.duration_ms, 3),
        variant=facts.variant,
        pack_version=pack_version,
    )
