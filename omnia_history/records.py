"""The records of a session as the API shows them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Raw, Struct


class MessageView(Struct, frozen=True):
    """A message as stored, with its position in the session, counted from 0."""

    position: int
    stored_at: datetime
    message: Raw


class ProviderCallView(Struct, frozen=True):
    """An attempt of a request to a model.

    Attributes:
        duration_ms: its latency.
        first_word_ms: until the first text of the answer; None of an answer without text, and of
            calls that were recorded before this was measured.
    """

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
    first_word_ms: float | None = None


class ToolCallView(Struct, frozen=True):
    """A tool call that a model requested; `arguments` is JSON, possibly truncated."""

    turn: int
    began_at: datetime
    call_id: str
    name: str
    handler: str
    arguments: str
    status: str
    duration_ms: float


class EventView(Struct, frozen=True):
    """An event of a turn."""

    turn: int
    at: datetime
    kind: str
    detail: str


class EvalResultView(Struct, frozen=True):
    """The result of an evaluation.

    Attributes:
        turn: the number of the turn; of a result about the session, how many turns it had.
        outcome: passed, failed, scored, skipped or error; only the first three have a score.
        source: inline, worker, manual or replay.
        threshold: what the score had to fulfil; "" if nothing.
        error: why it was skipped, or what went wrong.
        cost_usd: of the requests to the judge, which is not part of the cost of the session.
    """

    turn: int
    at: datetime
    evaluation: str
    type: str
    trigger: str
    source: str
    outcome: str
    score: float | None
    passed: bool | None
    threshold: str
    explanation: str
    error: str
    cost_usd: float
    judge_model: str
    duration_ms: float
    variant: str
    pack_version: str


# By the last segment of the path.
VIEWS: dict[str, type[Struct]] = {
    "messages": MessageView,
    "provider-calls": ProviderCallView,
    "tool-calls": ToolCallView,
    "events": EventView,
    "eval-results": EvalResultView,
}


def record_view(kind: str, row: Mapping[str, Any]) -> Struct:
    """Convert a row of a record. The row number is shown for messages only, as `position`.

    A field that only a later version of the agents writes is left out.
    """
    if kind == "messages":
        return MessageView(row["number"], row["created_at"], Raw(row["record"]))
    view = VIEWS[kind]
    return view(**{name: row[name] for name in view.__struct_fields__ if name in row})
