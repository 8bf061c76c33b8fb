"""What became of a dataset: verdicts per case, the summary, and the difference to another run."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
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


class CaseAnswer(Struct, frozen=True, omit_defaults=True):
    """One answer to a case, as the runtime reports it."""

    index: int
    repeat: int = 1
    answer: str = ""
    results: tuple[EvaluationResult, ...] = ()
    usage: UsedTokens = UsedTokens()
    latency_ms: float = 0.0
    error: str = ""
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there is an answer, and no evaluation failed."""
        return not self.error and all(
            each.outcome is not EvalOutcome.FAILED for each in self.results
        )

    @property
    def unevaluated(self) -> bool:
        """Whether an evaluation could not be made."""
        return any(each.outcome is EvalOutcome.ERROR for each in self.results)


class CaseVerdict(Struct, frozen=True):
    """A case with all its answers.

    Attributes:
        passed: whether enough of the answers passed.
    """

    name: str
    answers: tuple[CaseAnswer, ...]
    passed: bool

    @property
    def passes(self) -> int:
        """How many answers passed."""
        return sum(each.passed for each in self.answers)


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
        if any(not case.passed for case in self.cases):
            return ExitCode.FAILED
        results = [each for answer in self.answers for each in answer.results]
        evaluated = any(each.score is not None for each in results)
        if not evaluated or any(answer.unevaluated for answer in self.answers):
            return ExitCode.NOT_EVALUATED
        return ExitCode.PASSED

    @property
    def cost_usd(self) -> float:
        """What the answers cost; what judges cost is not known."""
        return sum(answer.usage.cost_usd for answer in self.answers)

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
        share = sum(each.passed for each in own) / len(own) if own else 0.0
        cases.append(CaseVerdict(name, own, share >= pass_rate))
    return Report(agent, tuple(cases))


def differences(before: Report, now: Report) -> Iterator[str]:
    """Yield what has changed since another run of the same dataset, a line each."""
    earlier = {case.name: case for case in before.cases}
    for case in now.cases:
        was = earlier.get(case.name)
        if was is None:
            yield f"new: {case.name}"
        elif was.passed != case.passed:
            yield f"{'mended' if case.passed else 'broken'}: {case.name}"
    for name in earlier.keys() - {case.name for case in now.cases}:
        yield f"gone: {name}"
    scores = before.scores()
    for name, score in now.scores().items():
        if name in scores and abs(score - scores[name]) >= 0.005:  # noqa: PLR2004 - two digits
            yield f"{name}: mean score {scores[name]:.2f} -> {score:.2f}"
