"""What has changed between two runs of a dataset. Pure."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean

import msgspec
from msgspec import Struct

from omnia_cli.evaluation.dataset import DatasetInvalid
from omnia_cli.evaluation.results import CaseVerdict, Report
from omnia_core.files.evals.case_results import Evaluation

# Scores are shown with two digits.
_SEEN = 0.005
_SHOWN = 120


def read_report(path: Path) -> Report:
    """Read what `--json` wrote.

    Raises:
        DatasetInvalid: it cannot be read, or it is something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise DatasetInvalid(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        message = f"{path}: expected what --json writes: {error}"
        raise DatasetInvalid(message) from error


def broken(before: Report, now: Report) -> bool:
    """Whether a case passed before, and does not any more."""
    passed = {case.name for case in before.cases if case.passed}
    return any(case.name in passed and not case.passed for case in now.cases)


def differences(before: Report, now: Report) -> Iterator[str]:
    """Yield what has changed, a line each; lines about a case follow its name, indented."""
    earlier = {case.name: case for case in before.cases}
    for case in now.cases:
        was = earlier.get(case.name)
        if was is None:
            yield f"new: {case.name}, {_verdict(case)}"
            continue
        lines = list(_of_case(was, case))
        if was.passed != case.passed:
            yield f"{'mended' if case.passed else 'broken'}: {case.name}"
        elif lines:
            yield f"changed: {case.name}, {_verdict(case)} as before"
        yield from lines
    for name in earlier.keys() - {case.name for case in now.cases}:
        yield f"gone: {name}"
    scores = before.scores()
    for name, score in now.scores().items():
        if name in scores and abs(score - scores[name]) >= _SEEN:
            yield f"{name}: mean score {scores[name]:.2f} -> {score:.2f}"


def _verdict(case: CaseVerdict) -> str:
    return "passed" if case.passed else "failed"


class _Seen(Struct, frozen=True):
    """An evaluation of all answers to a case."""

    outcomes: tuple[str, ...]
    score: float | None
    why: str

    def __str__(self) -> str:
        score = "" if self.score is None else f" {self.score:.2f}"
        return f"{' and '.join(self.outcomes) or 'not there'}{score}"


_ABSENT = _Seen((), None, "")


def _of_case(was: CaseVerdict, now: CaseVerdict) -> Iterator[str]:
    if len(now.answers) > 1 and was.passes != now.passes:
        yield (
            f"      {was.passes} of {len(was.asked)} answers passed,"
            f" now {now.passes} of {len(now.asked)}"
        )
    before, after = _evaluated(was), _evaluated(now)
    changed = False
    for name in {**before, **after}:
        one, other = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if str(one) != str(other):
            changed = True
            why = f": {other.why or one.why}" if other.why or one.why else ""
            yield f"      {name}: {one} -> {other}{why}"
    said, says = _said(was), _said(now)
    if (changed or was.passed != now.passed) and said != says:
        yield f"      answer: {said} -> {says}"


def _evaluated(case: CaseVerdict) -> Mapping[str, _Seen]:
    results: dict[str, list[Evaluation]] = defaultdict(list)
    for answer in case.answers:
        several = len({result.turn for result in answer.results if result.turn}) > 1
        for each in answer.results:
            turn = f", turn {each.turn}" if several and each.turn else ""
            results[f"{each.id}{turn}"].append(each)
    return {name: _seen(found) for name, found in results.items()}


def _seen(results: list[Evaluation]) -> _Seen:
    scores = [result.score for result in results if result.score is not None]
    reasons = (result.explanation or result.error for result in results)
    why = next(filter(None, reasons), "")
    outcomes = tuple(sorted({str(result.outcome) for result in results}))
    return _Seen(outcomes, fmean(scores) if scores else None, _short(why))


def _said(case: CaseVerdict) -> str:
    if not case.answers:
        return "none"
    last = case.answers[-1]
    said = last.error or last.not_asked
    return f"none ({_short(said)})" if said else json.dumps(_short(last.answer), ensure_ascii=False)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
