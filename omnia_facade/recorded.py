"""The records of a turn as JSON for clients."""

from collections.abc import Iterator

from msgspec import Struct, structs

from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions.audit import EventKind
from omnia_core.sessions.trail import TurnTrail
from omnia_facade.backend.port import Reading

_ENDS = (
    EventKind.TURN_ENDED,
    EventKind.TURN_FAILED,
    EventKind.TURN_CANCELLED,
    EventKind.TURN_INTERRUPTED,
)
# They may quote the prompt of a judge, or name a server.
_OF_THE_INSIDE = ("handler", "explanation", "error")
# Each has its place elsewhere: the id and the number of the turn are around it.
_ELSEWHERE = ("arguments", "session", "turn", "variant", "pack_version", "trigger", "judge_model")


def recorded_fields(reading: Reading, turn: int, *, inside: bool) -> JsonObject:
    """Return the fields of a turn: `trail` and `eval_results`, if there is something in them.

    `inside`: whether the caller may know what the agent is made of.
    """
    fields: JsonObject = {}
    if trail := reading.trails.get(turn):
        fields["trail"] = dict(_trail(trail, inside=inside))
    results = [each for each in reading.eval_results if each.turn == turn]
    if results:
        fields["eval_results"] = [_record(result, inside=inside) for result in results]
    return fields


def _trail(trail: TurnTrail, *, inside: bool) -> Iterator[tuple[str, object]]:
    times = {event.kind: event.at for event in trail.events}
    if began := times.get(EventKind.TURN_BEGAN):
        yield "began_at", began
    if ended := next((times[kind] for kind in _ENDS if kind in times), ""):
        yield "ended_at", ended
    yield "provider_calls", [_record(each, inside=inside) for each in trail.provider_calls]
    yield "tool_calls", [_record(each, inside=inside) for each in trail.tool_calls]
    yield (
        "events",
        [
            _record(each, inside=inside)
            for each in trail.events
            if each.kind not in (EventKind.TURN_BEGAN, *_ENDS)
        ],
    )


def _record(record: Struct, *, inside: bool) -> JsonObject:
    """Return the fields of a record, without those that say nothing."""
    hidden = _ELSEWHERE if inside else (*_ELSEWHERE, *_OF_THE_INSIDE)
    return {
        name: value
        for name, value in structs.asdict(record).items()
        if name not in hidden and value not in ("", None)
    }
