"""The lines that the runtime writes for the cases of `omnia eval`."""

from collections.abc import Mapping

from msgspec import Struct

from omnia_core.conversation.usage import Usage
from omnia_core.names import EvalOutcome


class Evaluation(Struct, frozen=True, omit_defaults=True):
    """The outcome of one evaluation.

    Attributes:
        turn: the number of the turn, from 1; 0 for the session as a whole.
        score: 0 to 1; None for an evaluation that was skipped or failed with an error.
        explanation: why it did not pass; the judge's reasons.
        error: why it was skipped, or what went wrong.
        threshold: what the score had to fulfil; "" if nothing.
    """

    id: str
    type: str
    turn: int
    outcome: EvalOutcome
    score: float | None = None
    explanation: str = ""
    error: str = ""
    threshold: str = ""
    duration_ms: float = 0.0


class RecordedSide(Struct, frozen=True, omit_defaults=True):
    """The recorded session that a backtest compares with.

    Attributes:
        results: its evaluations.
        latency_ms: how long its calls of models took together.
    """

    results: tuple[Evaluation, ...] = ()
    usage: Usage = Usage()
    latency_ms: float = 0.0


class CaseResult(Struct, frozen=True, omit_defaults=True):
    """The answer to a case.

    Attributes:
        usage: of its last turn; of all turns of a recorded session.
        latency_ms: of its last turn; of the slowest of a recorded session, and of a backtest that
            of all turns together.
        error: why there is no answer; "" if there is one.
        not_asked: why nothing was asked; "" if it was.
        problems: evaluations that cannot be run, and why.
        judge_cost_usd: what the models cost that evaluations asked.
        triggers: when each evaluation of a recorded session is declared to run, by its id.
        recorded: of a backtest.
        calls: of a backtest, the tool calls.
        unmatched: how many of them were not recorded.
    """

    index: int
    repeat: int = 1
    answer: str = ""
    results: tuple[Evaluation, ...] = ()
    usage: Usage = Usage()
    latency_ms: float = 0.0
    error: str = ""
    not_asked: str = ""
    problems: tuple[str, ...] = ()
    judge_cost_usd: float = 0.0
    triggers: Mapping[str, str] = {}
    recorded: RecordedSide | None = None
    calls: int = 0
    unmatched: int = 0

    @property
    def cost_usd(self) -> float:
        """The cost of the answer and of its evaluations."""
        return self.usage.cost_usd + self.judge_cost_usd

    @property
    def passed(self) -> bool:
        """Whether there is an answer, and no evaluation failed."""
        return not self.error and all(
            result.outcome is not EvalOutcome.FAILED for result in self.results
        )

    @property
    def unevaluated(self) -> bool:
        """Whether the agent was not asked, or an evaluation could not be made."""
        return bool(self.not_asked) or any(
            result.outcome is EvalOutcome.ERROR for result in self.results
        )
