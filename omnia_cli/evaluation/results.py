"""What became of a dataset: verdicts per case, and the summary."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from enum import IntEnum
from statistics import fmean

from msgspec import Struct

from omnia_core.files.evals.case_results import CaseResult


class CaseVerdict(Struct, frozen=True):
    """A case with all its answers.

    Attributes:
        passed: whether enough of the answers passed.
    """

    name: str
    answers: tuple[CaseResult, ...]
    passed: bool

    @property
    def asked(self) -> tuple[CaseResult, ...]:
        """The answers that were asked for."""
        return tuple(answer for answer in self.answers if not answer.not_asked)

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
    def answers(self) -> Iterator[CaseResult]:
        """Every answer."""
        return (answer for case in self.cases for answer in case.answers)

    @property
    def exit_code(self) -> ExitCode:
        """0 if every case passed; 3 if something could not be evaluated, or nothing was."""
        if any(not case.passed and (case.asked or not case.answers) for case in self.cases):
            return ExitCode.FAILED
        results = [result for answer in self.answers for result in answer.results]
        evaluated = any(result.score is not None for result in results)
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
    agent: str, names: Sequence[str], answers: Sequence[CaseResult], pass_rate: float
) -> Report:
    """Group answers by case. A case passes if at least this share of its answers does."""
    by_case: dict[int, list[CaseResult]] = defaultdict(list)
    for answer in answers:
        by_case[answer.index].append(answer)
    cases = []
    for index, name in enumerate(names):
        own = tuple(sorted(by_case[index], key=lambda each: each.repeat))
        asked = [each.passed for each in own if not each.not_asked]
        share = sum(asked) / len(asked) if asked else 0.0
        cases.append(CaseVerdict(name, own, share >= pass_rate))
    return Report(agent, tuple(cases))
