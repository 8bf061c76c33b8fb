"""The results of evaluations, as they are kept."""

from collections.abc import Sequence

from omnia_core.files.evals import EvalSpec
from omnia_core.names import EvalOutcome
from omnia_core.sessions import EvalResult
from omnia_core.sessions.audit import ProviderCall, timestamp
from omnia_core.sessions.evaluations import EvalSource
from omnia_runtime.evals.evaluate import Evaluation
from omnia_runtime.evals.facts import Facts

_PASSED = {EvalOutcome.PASSED: True, EvalOutcome.FAILED: False}


def kept_result(
    spec: EvalSpec,
    facts: Facts,
    found: Evaluation,
    source: EvalSource,
    version: str,
    calls: Sequence[ProviderCall] = (),
) -> EvalResult:
    """Return what is kept of an evaluation of a turn, or of the session up to it.

    Args:
        spec: what was run.
        facts: what it looked at.
        found: what became of it.
        source: who ran it.
        version: the version of the PromptPack that declares it.
        calls: the requests to judges.
    """
    return EvalResult(
        session=facts.session_id,
        turn=facts.turn,
        at=timestamp(),
        evaluation=spec.id,
        type=spec.type,
        trigger=spec.trigger,
        source=source,
        outcome=found.outcome,
        score=found.score,
        passed=_PASSED.get(found.outcome),
        threshold=found.threshold,
        explanation=found.explanation,
        error=found.error,
        cost_usd=sum(each.cost_usd for each in calls),
        judge_model=calls[-1].model if calls else "",
        duration_ms=found.duration_ms,
        pack_version=version,
    )


def without_score(spec: EvalSpec, outcome: EvalOutcome, error: str) -> Evaluation:
    """Return what becomes of an evaluation that was not run, or not to its end."""
    threshold = str(spec.requirement)
    return Evaluation(spec.id, spec.type, 0, outcome, error=error, threshold=threshold)
