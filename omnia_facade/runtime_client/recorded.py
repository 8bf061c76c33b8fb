"""Converts a runtime's records of turns."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec
from google.protobuf.message import Message
from msgspec import Struct

from omnia_core.sessions.audit import ProviderCall, RuntimeEvent, ToolExecution
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.trail import TurnTrail
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb

S = TypeVar("S", bound=Struct)
# Fields that clients do not get, and that are not on the wire.
_UNTOLD = {"session": "", "trigger": "", "arguments": ""}


def to_trail(trail: pb.TurnTrail) -> TurnTrail:
    """Return the records of a turn."""
    return TurnTrail(
        tuple(_records(trail.provider_calls, ProviderCall)),
        tuple(_records(trail.tool_calls, ToolExecution)),
        tuple(_records(trail.events, RuntimeEvent)),
    )


def to_eval_results(results: Iterable[pb.EvalResult]) -> tuple[EvalResult, ...]:
    """Return results of evaluations."""
    return tuple(_records(results, EvalResult))


def _records(messages: Iterable[Message], record: type[S]) -> Iterator[S]:
    """Yield records, without those of a kind that only another version of the runtime knows."""
    for message in messages:
        fields = {
            name: getattr(message, name)
            for name in record.__struct_fields__
            if name in message.DESCRIPTOR.fields_by_name
            and not (_is_optional(message, name) and not message.HasField(name))
        }
        try:
            yield msgspec.convert(_UNTOLD | fields, record)
        except msgspec.ValidationError:
            continue


def _is_optional(message: Message, name: str) -> bool:
    return bool(message.DESCRIPTOR.fields_by_name[name].has_presence)
