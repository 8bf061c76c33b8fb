"""Results of evaluations, as every store keeps them beside their sessions."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from omnia_core.names import EvalOutcome

EvalSource: TypeAlias = Literal["inline", "worker", "manual", "replay"]

MOST_RESULTS = 1000
"""How many results of a session are kept by stores in memory, which keep no audit records."""


class EvalResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an evaluation found. A store keeps one of each session, turn, evaluation and source.

    Attributes:
        session: the id of the session.
        turn: the number of the turn in its session, from 1; of a result about the whole session,
            how many turns the session had.
        at: when the evaluation ended: RFC 3339, UTC, as in every audit record.
        evaluation: its id in the PromptPack.
        type: as declared.
        trigger: as declared.
        source: `inline`: the runtime, after the turn; `worker`: the evaluations' own program;
            `manual`: somebody asked for it; `replay`: of a recorded session.
        score: 0 to 1; None for what was skipped or went wrong.
        passed: None for what is only measured, and where there is no score.
        threshold: what the score had to fulfil, as text; "" if nothing.
        explanation: why it did not pass, or the reasons of the judge. It may quote the session.
        error: why it was skipped, or what went wrong.
        cost_usd: of the requests to the judge. It is not part of the cost of the session.
        judge_model: the model that judged; "" when none was asked.
        variant: which variant of the agent answered; "" for the stable one.
        pack_version: the version of the PromptPack that declares the evaluation.
    """

    session: str
    turn: int
    at: str
    evaluation: str
    type: str
    trigger: str
    source: EvalSource
    outcome: EvalOutcome
    score: float | None = None
    passed: bool | None = None
    threshold: str = ""
    explanation: str = ""
    error: str = ""
    cost_usd: float = 0.0
    judge_model: str = ""
    duration_ms: float = 0.0
    variant: str = ""
    pack_version: str = ""

    @property
    def key(self) -> str:
        """Distinguishes the results of one session."""
        return f"{self.turn}:{self.source}:{self.evaluation}"


encode_result = msgspec.json.Encoder().encode
decode_result = msgspec.json.Decoder(EvalResult).decode


def in_order(results: Iterable[EvalResult]) -> list[EvalResult]:
    """Return results in the order of their turns, those of a turn in the order of their ends."""
    return sorted(results, key=lambda each: (each.turn, each.at, each.evaluation, each.source))
