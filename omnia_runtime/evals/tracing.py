"""Evaluations in traces: spans, and the events of OpenTelemetry's GenAI conventions."""

from collections.abc import Mapping

from omnia_core.files.evals import EvalSpec
from omnia_core.names import EvalOutcome, Variant
from omnia_core.sessions import EvalResult
from omnia_core.telemetry.tracing import NO_TRACER, Span, SpanKind, Tracer, Value, names
from omnia_runtime.evals.facts import Facts


class EvalTracing:
    """Starts the spans of evaluations that run beside the turns.

    Each is a trace of its own, because that of the turn has ended and is not stored. The id of the
    session and the number of the turn lead from one to the other.
    """

    def __init__(self, tracer: Tracer = NO_TRACER, agent: str = "", namespace: str = "") -> None:
        """Trace one agent; by default nothing is traced."""
        self._tracer = tracer
        self._common = {
            names.AGENT: agent,
            names.OMNIA_AGENT: agent,
            names.OMNIA_NAMESPACE: namespace,
        }

    def evaluation(self, spec: EvalSpec, facts: Facts) -> Span:
        """Start the span of an evaluation; calls of judges are its children."""
        span = self._tracer.start_span(
            f"evaluate {spec.id}", SpanKind.INTERNAL, session_id=facts.session_id
        )
        if span.recording:
            span.set_attributes(
                {
                    **self._common,
                    names.OMNIA_VARIANT: facts.variant or Variant.STABLE,
                    names.OMNIA_TURN_INDEX: facts.turn - 1,
                }
            )
        return span


def add_result(span: Span, result: EvalResult) -> None:
    """Add the event of a result to a span."""
    if span.recording:
        attributes = evaluation_attributes(result, content=span.content)
        span.add_event(names.EVALUATION_RESULT, attributes)


def evaluation_attributes(result: EvalResult, *, content: bool) -> Mapping[str, Value]:
    """Return the attributes of the event of a result; an explanation may quote the session."""
    attributes: dict[str, Value] = {
        names.EVALUATION_NAME: result.evaluation,
        names.EVALUATION_LABEL: str(result.outcome),
    }
    if result.score is not None:
        attributes[names.EVALUATION_SCORE] = result.score
    if result.outcome is EvalOutcome.ERROR:
        attributes[names.ERROR_TYPE] = "evaluation_failed"
    if content and result.explanation:
        attributes[names.EVALUATION_EXPLANATION] = result.explanation
    return attributes
