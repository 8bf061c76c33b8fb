"""What `omnia eval` does: reads, asks, prints, writes reports; its exit code."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from omnia_cli.evaluation.dataset import Dataset, DatasetInvalid, read_dataset
from omnia_cli.evaluation.junit import write_junit
from omnia_cli.evaluation.results import CaseAnswer, CaseVerdict, Report, differences, report
from omnia_cli.evaluation.run import EvalFailed, EvalOptions, StderrReporter, ask
from omnia_cli.local.objects import CannotRun
from omnia_cli.up import read
from omnia_core.files.evals import Outcome


class Outputs(Struct, frozen=True, kw_only=True):
    """What is written.

    Attributes:
        junit: this file, as JUnit's XML.
        json: this file, with all answers.
        baseline: the differences to this file, which `json` has written before.
    """

    junit: Path | None = None
    json: Path | None = None
    baseline: Path | None = None


def evaluate(
    paths: Sequence[Path],
    agent: str,
    dataset: Path,
    options: EvalOptions,
    outputs: Outputs,
    environ: Mapping[str, str],
    pass_rate: float = 1.0,
) -> int:
    """Run a dataset; return the exit code.

    Raises:
        ManifestError: the manifests cannot be read.
        InvalidManifests: the manifests have errors.
        EvalFailed: the dataset cannot be read or run, or a file cannot be written.
    """
    documents = read(paths)
    try:
        cases = read_dataset(dataset)
        before = _baseline(outputs.baseline)
    except DatasetInvalid as error:
        raise EvalFailed(str(error)) from error
    for note in cases.notes:
        _say(f"{dataset}: {note}")
    progress = _Progress(len(cases.cases) * options.repeat)
    try:
        name, answers = asyncio.run(
            ask(
                documents,
                agent or cases.agent,
                cases,
                options,
                StderrReporter(),
                environ,
                progress.add,
            )
        )
    except CannotRun as error:
        raise EvalFailed(str(error)) from error
    finally:
        progress.end()
    for problem in dict.fromkeys(problem for each in answers for problem in each.problems):
        _say(f"not run: {problem}")
    made = report(name, [case.name for case in cases.cases], answers, pass_rate)
    _print(made, cases)
    if before is not None:
        print("\n".join(differences(before, made)) or "no difference to the baseline")
    _write(outputs, made)
    return made.exit_code


def _baseline(path: Path | None) -> Report | None:
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise DatasetInvalid(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        message = f"{path}: expected what --json writes: {error}"
        raise DatasetInvalid(message) from error


def _write(outputs: Outputs, made: Report) -> None:
    try:
        if outputs.json:
            text = msgspec.json.format(msgspec.json.encode(made), indent=1)
            outputs.json.write_bytes(text + b"\n")
        if outputs.junit:
            write_junit(outputs.junit, made)
    except OSError as error:
        raise EvalFailed(f"{error.filename}: cannot be written: {error.strerror}") from error


class _Progress:
    """Counts the answers on a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._shown = sys.stderr.isatty()

    def add(self, answer: CaseAnswer) -> None:  # noqa: ARG002 - the callback's form
        self._done += 1
        if self._shown:
            print(f"\r{self._done}/{self._total}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown and self._done:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _print(made: Report, dataset: Dataset) -> None:
    for case, asked in zip(made.cases, dataset.cases, strict=True):
        repeats = f"  {case.passes} of {len(case.answers)}" if len(case.answers) > 1 else ""
        print(f"{'PASS' if case.passed else 'FAIL'}  {case.name}{repeats}")
        for line in dict.fromkeys(_details(case)):
            print(f"      {line}")
        if not case.passed:
            print(f"      asked: {_short(asked.messages[-1])}")
            print(f"      answer: {_short(case.answers[-1].answer if case.answers else '')}")
    for name, score in made.scores().items():
        print(f"{name}: mean score {score:.2f}")
    passed = sum(case.passed for case in made.cases)
    answers = list(made.answers)
    cost = f", {made.cost_usd:.4f} USD" if made.cost_usd else ""
    slowest = max((each.latency_ms for each in answers), default=0.0)
    print(f"{passed} of {len(made.cases)} cases passed, slowest answer {slowest:.0f} ms{cost}")


def _details(case: CaseVerdict) -> list[str]:
    lines = []
    for answer in case.answers:
        if answer.error:
            lines.append(f"no answer: {answer.error}")
        for each in answer.results:
            if each.outcome is Outcome.FAILED:
                why = f": {each.explanation}" if each.explanation else ""
                wanted = f", expected {each.threshold}" if each.threshold else ""
                lines.append(f"{each.id}: score {each.score:g}{wanted}{why}")
            elif each.outcome is Outcome.ERROR:
                lines.append(f"{each.id}: not evaluated: {each.error}")
            elif each.outcome is Outcome.SKIPPED:
                lines.append(f"{each.id}: skipped: {each.error}")
    return lines


_SHOWN = 200


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
