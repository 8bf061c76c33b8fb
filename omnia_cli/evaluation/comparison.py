"""Two sides of the same sessions compared: differences with intervals. Pure.

Turns of one session depend on each other, so each session counts once: its mean difference. The
interval is Student's of these means (95 %). McNemar's test is exact: the probability, if neither
side were better, of so uneven a number of pairs in which only one side passes.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist, fmean, stdev

from msgspec import Struct

from omnia_cli.evaluation.results import ExitCode
from omnia_core.files.evals.case_results import CaseResult, Evaluation
from omnia_core.names import EvalOutcome

MOST_UNMATCHED = 0.2
"""The share of tool calls that may be missing in a recording."""
_LEVEL = 0.05
_DECIDED = (EvalOutcome.PASSED, EvalOutcome.FAILED)


class EvalComparison(Struct, frozen=True, kw_only=True):
    """An evaluation on both sides.

    Attributes:
        pairs: how many turns or sessions have a score on both sides.
        recorded, candidate: the mean scores.
        difference: candidate minus recorded, the mean over sessions.
        low, high: the interval of the difference; None where there is but one session.
        lost: pairs in which only the recorded side passes.
        gained: pairs in which only the candidate passes.
        p_value: of McNemar's test; None without pairs that passed or failed.
    """

    id: str
    pairs: int
    recorded: float
    candidate: float
    difference: float
    low: float | None
    high: float | None
    lost: int
    gained: int
    p_value: float | None

    @property
    def worse(self) -> bool:
        """Whether the candidate is worse, beyond chance."""
        below = self.high is not None and self.high < 0
        uneven = self.p_value is not None and self.p_value < _LEVEL and self.lost > self.gained
        return below or uneven


class Amounts(Struct, frozen=True):
    """Sums on both sides, and the candidate's as a multiple; None if nothing is recorded."""

    recorded: float
    candidate: float
    ratio: float | None


class ComparedSession(Struct, frozen=True):
    """A session of a backtest.

    Attributes:
        calls: tool calls of the candidate.
        unmatched: how many of them were not recorded.
        reason: why it is not compared; "" if it is.
        failed: whether the candidate gave no answer.
    """

    session: str
    calls: int
    unmatched: int
    reason: str = ""
    failed: bool = False


class Comparison(Struct, frozen=True):
    """A backtest.

    Attributes:
        cost_usd: of the compared sessions.
        model_ms: how long their calls of models took.
    """

    agent: str
    candidate: str
    sessions: tuple[ComparedSession, ...]
    evals: tuple[EvalComparison, ...]
    cost_usd: Amounts
    model_ms: Amounts

    @property
    def exit_code(self) -> ExitCode:
        """1 if the candidate is worse or gave no answer; 3 if nothing could be compared."""
        if any(evaluation.worse for evaluation in self.evals) or any(
            session.failed for session in self.sessions
        ):
            return ExitCode.FAILED
        return ExitCode.PASSED if self.evals else ExitCode.NOT_EVALUATED


def compare(agent: str, candidate: str, answers: Mapping[str, CaseResult]) -> Comparison:
    """Compare the answers of a candidate, by session, with what is recorded."""
    sessions = tuple(_session(name, each) for name, each in answers.items())
    compared = [answers[session.session] for session in sessions if not session.reason]
    pairs: dict[str, list[list[tuple[Evaluation, Evaluation]]]] = defaultdict(list)
    for answer in compared:
        for name, found in _pairs(answer).items():
            pairs[name].append(found)
    recorded = [each.recorded for each in compared if each.recorded]
    return Comparison(
        agent,
        candidate,
        sessions,
        tuple(_compared(name, found) for name, found in pairs.items()),
        _amounts(
            [each.usage.cost_usd for each in recorded], [each.usage.cost_usd for each in compared]
        ),
        _amounts([each.latency_ms for each in recorded], [each.latency_ms for each in compared]),
    )


def _session(name: str, answer: CaseResult) -> ComparedSession:
    reason, failed = answer.not_asked or answer.error, bool(answer.error)
    if not reason and answer.unmatched > MOST_UNMATCHED * answer.calls:
        reason = f"not comparable: {answer.unmatched} of {answer.calls} tool calls are not recorded"
    return ComparedSession(name, answer.calls, answer.unmatched, reason, failed)


def _pairs(answer: CaseResult) -> dict[str, list[tuple[Evaluation, Evaluation]]]:
    recorded = answer.recorded.results if answer.recorded else ()
    before = {(each.id, each.turn): each for each in recorded if each.score is not None}
    found: dict[str, list[tuple[Evaluation, Evaluation]]] = defaultdict(list)
    for each in answer.results:
        was = before.get((each.id, each.turn))
        if was is not None and each.score is not None:
            found[each.id].append((was, each))
    return found


def _compared(
    name: str, sessions: Sequence[Sequence[tuple[Evaluation, Evaluation]]]
) -> EvalComparison:
    pairs = [pair for session in sessions for pair in session]
    means = [fmean(_score(now) - _score(was) for was, now in session) for session in sessions]
    decided = [
        (was.outcome is EvalOutcome.PASSED, now.outcome is EvalOutcome.PASSED)
        for was, now in pairs
        if was.outcome in _DECIDED and now.outcome in _DECIDED
    ]
    lost, gained = decided.count((True, False)), decided.count((False, True))
    low, high = interval(means) or (None, None)
    return EvalComparison(
        id=name,
        pairs=len(pairs),
        recorded=fmean(_score(was) for was, _ in pairs),
        candidate=fmean(_score(now) for _, now in pairs),
        difference=fmean(means),
        low=low,
        high=high,
        lost=lost,
        gained=gained,
        p_value=mcnemar(lost, gained) if decided else None,
    )


def _score(result: Evaluation) -> float:
    return result.score or 0.0


def _amounts(recorded: Sequence[float], candidate: Sequence[float]) -> Amounts:
    before, now = math.fsum(recorded), math.fsum(candidate)
    return Amounts(before, now, now / before if before else None)


def mcnemar(lost: int, gained: int) -> float:
    """Return the two-sided probability of McNemar's exact test."""
    changed = lost + gained
    tail = sum(math.comb(changed, count) for count in range(min(lost, gained) + 1))
    return min(1.0, float(2 * tail / 2**changed))


def interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean; None for fewer than two values."""
    if len(differences) < 2:  # noqa: PLR2004 - one value has no spread
        return None
    mean = fmean(differences)
    error = stdev(differences) / math.sqrt(len(differences))
    wide = quantile(len(differences) - 1) * error
    return max(mean - wide, -1.0), min(mean + wide, 1.0)


def quantile(degrees: int) -> float:
    """Return the 0.975 quantile of Student's t distribution, within 1 %.

    Exact for 1 and 2 degrees of freedom; else the expansion 26.7.5 of Abramowitz and Stegun.
    """
    tail = 1 - _LEVEL / 2
    if degrees == 1:
        return math.tan(math.pi * (tail - 0.5))
    if degrees == 2:  # noqa: PLR2004 - as above
        return (2 * tail - 1) / math.sqrt(2 * tail * (1 - tail))
    z = NormalDist().inv_cdf(tail)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )


def comparison_lines(made: Comparison) -> Iterator[str]:
    """Yield a comparison for people."""
    compared = sum(not each.reason for each in made.sessions)
    yield f"{compared} of {len(made.sessions)} sessions compared"
    for session in made.sessions:
        if session.reason:
            yield f"      {session.session}: {session.reason}"
    for each in made.evals:
        span = "" if each.low is None else f" [{each.low:+.3f}, {each.high:+.3f}]"
        verdict = "WORSE" if each.worse else "ok"
        yield (
            f"{each.id}: {each.recorded:.2f} -> {each.candidate:.2f},"
            f" difference {each.difference:+.3f}{span}, {each.pairs} pairs  {verdict}"
        )
        if each.p_value is not None:
            yield (
                f"      passed only before: {each.lost}, only now: {each.gained},"
                f" McNemar p = {each.p_value:.3f}"
            )
    for name, amounts, digits in (
        ("cost", made.cost_usd, ".4f"),
        ("time of models", made.model_ms, ".0f"),
    ):
        unit = "USD" if name == "cost" else "ms"
        ratio = "" if amounts.ratio is None else f" (x {amounts.ratio:.2f})"
        yield f"{name}: {amounts.recorded:{digits}} -> {amounts.candidate:{digits}} {unit}{ratio}"
