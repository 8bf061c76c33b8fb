"""What became of a dataset: verdicts per case, and the summary."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from statistics import fmean

from msgspec import Struct

from omnia_core.names import EvalOutcome


class EvaluationResult(Struct, frozen=True, omit_defaults=True):
    """One evaluation of one answer, as the runtime reports it."""

    id: str
    type: str
    turn: int
    outcome: EvalOutcome
    score: float | None = None
    explanation: str = ""
    error: str = ""
    threshold: str = ""
    duration_ms: float = 0.0


class UsedTokens(Struct, frozen=True, omit_defaults=True):
    """Tokens and cost of an answer."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0


class ComparedSide(Struct, frozen=True, omit_defaults=True):
    """What a backtest compares with; `latency_ms` is the time of the models."""

    results: tuple[EvaluationResult, ...] = ()
    usage: UsedTokens = UsedTokens()
    latency_ms: float = 0.0


class CaseAnswer(Struct, frozen=True, omit_defaults=True):
    """One answer to a case, as the runtime reports it.

    Attributes:
        not_asked: why the agent was not asked; "" if it was.
        judge_cost_usd: what the models cost that evaluations asked.
        triggers: of a recorded session, when each evaluation is declared to run, by its id.
        recorded: of a backtest.
        calls: of a backtest, the tool calls.
        unmatched: how many of them were not recorded.
    """

    index: int
    repeat: int = 1
    answer: str = ""
    results: tuple[EvaluationResult, ...] = ()
    usage: UsedTokens = UsedTokens()
    latency_ms: float = 0.0
    error: str = ""
    not_asked: str = ""
    problems: tuple[str, ...] = ()
    judge_cost_usd: float = 0.0
    triggers: Mapping[str, str] = {}
    recorded: ComparedSide | None = None
    calls: int = 0
    unmatched: int = 0

    @property
    def cost_usd(self) -> float:
        """What the answer and its evaluations cost."""
        return self.usage.cost_usd + self.judge_cost_usd

    @property
    def passed(self) -> bool:
        """Whether there is an answer, and no evaluation failed."""
        return not self.error and all(
            each.outcome is not EvalOutcome.FAILED for each in self.results
        )

    @property
    def unevaluated(self) -> bool:
        """Whether the agent was not asked, or an evaluation could not be made."""
        return bool(self.not_asked) or any(
            each.outcome is EvalOutcome.ERROR for each in self.results
        )


class CaseVerdict(Struct, frozen=True):
    """A case with all its answers.

    Attributes:
        passed: whether enough of the answers passed.
    """

    name: str
    answers: tuple[CaseAnswer, ...]
    passed: bool

    @property
    def asked(self) -> tuple[CaseAnswer, ...]:
        """The answers that were asked for."""
        return tuple(each for each in self.answers if not each.not_asked)

    @property
    def passes(self) -> int:
        """How many answers passed."""
        return sum(each.passed for each in self.asked)


class ExitCode(IntEnum):
    """The exit codes of `omnia eval`."""

    PASSED = 0
    FAILED = 1
    INVALID = 2
    NOT_EVALUATED = 3


class Report(Struct, frozen=True):
    """A run of a dataset; `agent` is its name."""

    agent: str
    cases: tuple[CaseVerdict, ...]

    @property
    def answers(self) -> Iterator[CaseAnswer]:
        """Every answer."""
        return (answer for case in self.cases for answer in case.answers)

    @property
    def exit_code(self) -> ExitCode:
        """0 if every case passed; 3 if something could not be evaluated, or nothing was."""
        if any(not case.passed and (case.asked or not case.answers) for case in self.cases):
            return ExitCode.FAILED
        results = [each for answer in self.answers for each in answer.results]
        evaluated = any(each.score is not None for each in results)
        if not evaluated or any(answer.unevaluated for answer in self.answers):
            return ExitCode.NOT_EVALUATED
        return ExitCode.PASSED

    @property
    def cost_usd(self) -> float:
        """What the answers and their evaluations cost."""
        return sum(answer.cost_usd for answer in self.answers)

    def scores(self) -> dict[str, float]:
        """Return the mean score of each evaluation."""
        found: dict[str, list[float]] = defaultdict(list)
        for answer in self.answers:
            for each in answer.results:
                if each.score is not None:
                    found[each.id].append(each.score)
        return {name: fmean(scores) for name, scores in found.items()}


def report(
    agent: str, names: Sequence[str], answers: Sequence[CaseAnswer], pass_rate: float
) -> Report:
    """Group answers by case. A case passes if at least this share of its answers does."""
    by_case: dict[int, list[CaseAnswer]] = defaultdict(list)
    for answer in answers:
        by_case[answer.index].append(answer)
    cases = []
    for index, name in enumerate(names):
        own = tuple(sorted(by_case[index], key=lambda each: each.repeat))
        asked = [each.passed for each in own if not each.not_asked]
        share = sum(asked) / len(asked) if asked else 0.0
        cases.append(CaseVerdict(name, own, share >= pass_rate))
    return Report(agent, tuple(cases))
