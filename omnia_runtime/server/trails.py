"""What is recorded of turns, as messages for a client."""

from collections.abc import Sequence

from msgspec import Struct

from omnia_core.sessions.audit import EventKind, ProviderCall, RuntimeEvent, ToolExecution
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.records import Session
from omnia_core.sessions.trail import SessionTrail, TurnTrail
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb

MAX_EXPLANATION = 2000
_MAX_RESULTS = 1000
# Other details may quote a message, or name an address.
_TOLD_DETAILS = (
    EventKind.INPUT_BLOCKED,
    EventKind.OUTPUT_BLOCKED,
    EventKind.LIMIT_REACHED,
    EventKind.PROVIDER_RETRIED,
    EventKind.PROVIDER_FALLBACK,
    EventKind.TURN_ENDED,
    EventKind.RECORDS_DROPPED,
)


class TurnRecords(Struct, frozen=True):
    """What a session store has recorded of the turns of a session.

    Attributes:
        trail: None where the store keeps no audit records.
    """

    trail: SessionTrail | None = None
    results: Sequence[EvalResult] = ()


NOTHING = TurnRecords()


def add_recorded(
    response: pb.ReadConversationResponse,
    session: Session,
    recorded: TurnRecords,
    *,
    show_tools: bool,
) -> None:
    """Add to a response what is recorded of its turns.

    The trail is left out if it is of another moment than the session: its numbers of turns might
    be those of others.
    """
    first, last = response.earlier_turns + 1, session.turns
    trail = recorded.trail
    if trail is not None and trail.length == session.length:
        elsewhere = session.turns - trail.counted
        for number, turn in trail.turns.items():
            if first <= number + elsewhere <= last:
                made = _turn_message(turn, show_tools=show_tools)
                made.turn = number + elsewhere
                response.trails.append(made)
    told = [each for each in recorded.results if first <= each.turn <= last]
    response.eval_results.extend(map(_result_message, told[-_MAX_RESULTS:]))


def _turn_message(turn: TurnTrail, *, show_tools: bool) -> pb.TurnTrail:
    return pb.TurnTrail(
        provider_calls=map(_call_message, turn.provider_calls),
        tool_calls=map(_tool_message, turn.tool_calls if show_tools else ()),
        events=map(_event_message, turn.events),
    )


def _call_message(call: ProviderCall) -> pb.ProviderCall:
    return pb.ProviderCall(
        began_at=call.began_at,
        provider=call.provider,
        model=call.model,
        status=call.status,
        fault=call.fault,
        attempt=call.attempt,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cached_tokens=call.cached_tokens,
        cost_usd=call.cost_usd,
        duration_ms=call.duration_ms,
        first_word_ms=call.first_word_ms,
    )


def _tool_message(call: ToolExecution) -> pb.ExecutedCall:
    return pb.ExecutedCall(
        began_at=call.began_at,
        call_id=call.call_id,
        name=call.name,
        handler=call.handler,
        status=call.status,
        duration_ms=call.duration_ms,
    )


def _event_message(event: RuntimeEvent) -> pb.RuntimeEvent:
    detail = event.detail if event.kind in _TOLD_DETAILS else ""
    return pb.RuntimeEvent(at=event.at, kind=event.kind, detail=detail)


def _result_message(result: EvalResult) -> pb.EvalResult:
    return pb.EvalResult(
        turn=result.turn,
        at=result.at,
        evaluation=result.evaluation,
        type=result.type,
        source=result.source,
        outcome=result.outcome,
        score=result.score,
        passed=result.passed,
        threshold=result.threshold,
        explanation=result.explanation[:MAX_EXPLANATION],
        error=result.error[:MAX_EXPLANATION],
        duration_ms=result.duration_ms,
        cost_usd=result.cost_usd,
    )
