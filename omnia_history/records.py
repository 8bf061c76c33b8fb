"""What the API shows of the records of a session."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Raw, Struct


class MessageView(Struct, frozen=True):
    """A message as it is stored, and its place."""

    position: int
    stored_at: datetime
    message: Raw


class ProviderCallView(Struct, frozen=True):
    """A request to a model."""

    turn: int
    began_at: datetime
    provider: str
    model: str
    status: str
    fault: str
    attempt: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float
    duration_ms: float


class ToolCallView(Struct, frozen=True):
    """A call that a model asked for; `arguments` are JSON, of which the end may be missing."""

    turn: int
    began_at: datetime
    call_id: str
    name: str
    handler: str
    arguments: str
    status: str
    duration_ms: float


class EventView(Struct, frozen=True):
    """What happened in a turn."""

    turn: int
    at: datetime
    kind: str
    detail: str


class EvalResultView(Struct, frozen=True):
    """What an evaluation found."""

    turn: int
    at: datetime
    evaluation: str
    source: str
    score: float | None
    passed: bool | None
    explanation: str


# By the last part of the address.
VIEWS: dict[str, type[Struct]] = {
    "messages": MessageView,
    "provider-calls": ProviderCallView,
    "tool-calls": ToolCallView,
    "events": EventView,
    "eval-results": EvalResultView,
}


def record_view(kind: str, row: Mapping[str, Any]) -> Struct:
    """Read a row of a record; its number says no more than its place in the answer."""
    if kind == "messages":
        return MessageView(row["number"], row["created_at"], Raw(row["record"]))
    return VIEWS[kind](**{name: value for name, value in row.items() if name != "number"})
