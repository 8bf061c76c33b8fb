"""Runs `omnia eval`: reads, asks, prints, writes reports; returns the exit code."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from omnia_cli.counted import counted
from omnia_cli.evaluation.candidate import with_candidate
from omnia_cli.evaluation.cassettes import TOOLS, recorded_into, with_cassettes, without_tools
from omnia_cli.evaluation.comparison import Comparison, compare, comparison_lines
from omnia_cli.evaluation.dataset import DatasetInvalid, read_dataset, read_shared_evals
from omnia_cli.evaluation.differences import differences, read_report
from omnia_cli.evaluation.junit import write_junit
from omnia_cli.evaluation.keeping import keep
from omnia_cli.evaluation.recorded import Chosen, ReadSession, read_sessions
from omnia_cli.evaluation.results import CaseVerdict, Report, report
from omnia_cli.evaluation.run import (
    EvalFailed,
    EvalOptions,
    StderrReporter,
    ask,
    cases_of,
    cases_of_sessions,
)
from omnia_cli.history_choice import HistoryChoice, opened_history
from omnia_cli.local.objects import CannotRun
from omnia_cli.manifests import Document
from omnia_cli.state import Project
from omnia_cli.up import read
from omnia_core.files.evals.case_results import CaseResult
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import EvalOutcome, Kind
from omnia_core.sessions import StoreUnavailable
from omnia_operator.api.provider import CassetteMode


class Outputs(Struct, frozen=True, kw_only=True):
    """What is written.

    Attributes:
        junit: this file, as JUnit's XML.
        json: this file, with all answers; of a backtest, the comparison.
        baseline: the differences to this file, which `json` has written before.
    """

    junit: Path | None = None
    json: Path | None = None
    baseline: Path | None = None


class Recorded(Struct, frozen=True, kw_only=True):
    """What is evaluated of recorded sessions.

    Attributes:
        history: where they are.
        chosen: which ones.
        dataset: its evaluations for every case are applied to every turn; None for none.
        candidate: what answers them anew, a file or the version of a PromptPack; "" for nobody.
        keep: whether the results are kept beside the sessions, which are those of this machine.
    """

    history: HistoryChoice
    chosen: Chosen
    dataset: Path | None = None
    candidate: str = ""
    keep: bool = False


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
        before = read_report(outputs.baseline) if outputs.baseline else None
    except DatasetInvalid as error:
        raise EvalFailed(str(error)) from error
    for note in cases.notes:
        _say(f"{dataset}: {note}")
    with _recording(documents, options) as (changed, used):
        asked = cases_of(cases, options)
        name, answers = _ask(changed, agent or cases.agent, asked, used, environ)
    made = report(name, [case.name for case in cases.cases], answers, pass_rate)
    _print(made, [case.messages[-1] for case in cases.cases])
    if before is not None:
        print("\n".join(differences(before, made)) or "no difference to the baseline")
    _write(outputs, made)
    return made.exit_code


def evaluate_recorded(
    paths: Sequence[Path],
    agent: str,
    recorded: Recorded,
    options: EvalOptions,
    outputs: Outputs,
    environ: Mapping[str, str],
) -> int:
    """Evaluate recorded sessions, or a candidate that answers them; return the exit code.

    Raises:
        ManifestError: the manifests cannot be read.
        InvalidManifests: the manifests have errors.
        HistoryFailed: the sessions cannot be read.
        KubectlFailed: the cluster cannot be reached.
        EvalFailed: nothing can be evaluated, or a file cannot be written.
    """
    documents = read(paths)
    try:
        evals = read_shared_evals(recorded.dataset) if recorded.dataset else ()
        before = read_report(outputs.baseline) if outputs.baseline else None
    except DatasetInvalid as error:
        raise EvalFailed(str(error)) from error
    with opened_history(recorded.history, environ) as client:
        sessions = read_sessions(client, recorded.chosen, agent or _only_agent(documents))
    if not sessions:
        raise EvalFailed(
            "there is no such session: choose a longer --since, or look for one with"
            " omnia sessions list"
        )
    if recorded.candidate:
        changed = with_candidate(documents, recorded.candidate, agent)
        cases = cases_of_sessions(
            [session.session for session in sessions], evals, options, ask=True
        )
        used = structs.replace(options, tools="recording")
        name, answers = _ask(changed, agent, cases, used, environ)
        compared = _compared(name, recorded.candidate, sessions, answers)
        _write_json(outputs.json, compared)
        return compared.exit_code
    cases = cases_of_sessions([session.session for session in sessions], evals, options, ask=False)
    used = structs.replace(options, tools="none")
    name, answers = _ask(without_tools(documents), agent, cases, used, environ)
    made = report(name, [session.session.id for session in sessions], answers, 1.0)
    _print(made, [_said_last(session) for session in sessions])
    if recorded.keep:
        _keep(paths, documents, name, sessions, answers, environ)
    if before is not None:
        print("\n".join(differences(before, made)) or "no difference to the baseline")
    _write(outputs, made)
    return made.exit_code


def _compared(
    agent: str, candidate: str, sessions: Sequence[ReadSession], answers: Sequence[CaseResult]
) -> Comparison:
    ordered = sorted(answers, key=lambda answer: answer.index)
    by_session = {sessions[each.index].session.id: each for each in ordered}
    made = compare(agent, candidate, by_session)
    print("\n".join(comparison_lines(made)))
    return made


def _keep(
    paths: Sequence[Path],
    documents: list[Document],
    agent: str,
    sessions: Sequence[ReadSession],
    answers: Sequence[CaseResult],
    environ: Mapping[str, str],
) -> None:
    namespace = next(
        document.namespace
        for document in documents
        if document.kind == Kind.AGENT_RUNTIME and document.name == agent
    )
    try:
        new = keep(Project.of(paths, environ).sessions, namespace, sessions, answers)
    except StoreUnavailable as error:
        raise EvalFailed(f"the results cannot be kept: {error.message}") from error
    _say(f"{counted(new, 'result')} kept")


def _only_agent(documents: list[Document]) -> str:
    names = {document.name for document in documents if document.kind == Kind.AGENT_RUNTIME}
    return next(iter(names)) if len(names) == 1 else ""


def _said_last(read_session: ReadSession) -> str:
    said = [message.content for message in read_session.session.messages if message.role == "user"]
    return said[-1] if said else ""


@contextlib.contextmanager
def _recording(
    documents: list[Document], options: EvalOptions
) -> Iterator[tuple[list[Document], EvalOptions]]:
    """Yield the manifests and options with the cassettes of the run.

    Raises:
        EvalFailed: the folder holds no recording, or cannot be written.
    """
    folder = options.cassettes
    if folder is None:
        yield documents, options
        return
    folder = folder.resolve()
    if options.mode == "replay":
        if not (folder / TOOLS).is_file():
            raise EvalFailed(f"{folder} holds no recording: make one with --record {folder}")
        used = structs.replace(options, cassettes=folder)
        yield with_cassettes(documents, folder, CassetteMode.REPLAY), used
        return
    try:
        with recorded_into(folder) as fresh:
            used = structs.replace(options, cassettes=fresh)
            yield with_cassettes(documents, fresh, CassetteMode.RECORD), used
    except OSError as error:
        raise EvalFailed(f"{folder}: cannot be written: {error.strerror}") from error


def _ask(
    documents: list[Document],
    agent: str,
    cases: Sequence[JsonObject],
    options: EvalOptions,
    environ: Mapping[str, str],
) -> tuple[str, list[CaseResult]]:
    progress = _Progress(len(cases))
    try:
        name, answers = asyncio.run(
            ask(
                documents,
                agent,
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
    for problem in dict.fromkeys(problem for answer in answers for problem in answer.problems):
        _say(f"not run: {problem}")
    return name, answers


def _write(outputs: Outputs, made: Report) -> None:
    _write_json(outputs.json, made)
    if outputs.junit:
        try:
            write_junit(outputs.junit, made)
        except OSError as error:
            raise EvalFailed(f"{outputs.junit}: cannot be written: {error.strerror}") from error


def _write_json(path: Path | None, made: Struct) -> None:
    if path is None:
        return
    text = msgspec.json.format(msgspec.json.encode(made), indent=1)
    try:
        path.write_bytes(text + b"\n")
    except OSError as error:
        raise EvalFailed(f"{path}: cannot be written: {error.strerror}") from error


class _Progress:
    """Counts the answers on a terminal, those that failed, and what they cost."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._failed = 0
        self._cost = 0.0
        self._shown = sys.stderr.isatty()

    def add(self, answer: CaseResult) -> None:
        self._done += 1
        self._failed += not answer.passed
        self._cost += answer.cost_usd
        if self._shown:
            line = f"{self._done}/{self._total}"
            line += f"  {self._failed} failed" if self._failed else ""
            line += f"  {self._cost:.4f} USD" if self._cost else ""
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            print(f"\r\x1b[K{line[: width - 1]}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown and self._done:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _print(made: Report, asked: Sequence[str]) -> None:
    for case, said in zip(made.cases, asked, strict=True):
        repeats = f"  {case.passes} of {len(case.answers)}" if len(case.answers) > 1 else ""
        verdict = "PASS" if case.passed else "FAIL" if case.asked else "SKIP"
        print(f"{verdict}  {case.name}{repeats}")
        for line in dict.fromkeys(_details(case)):
            print(f"      {line}")
        if verdict == "FAIL":
            print(f"      asked: {_short(said)}")
            print(f"      answer: {_short(case.answers[-1].answer if case.answers else '')}")
    for name, score in made.scores().items():
        print(f"{name}: mean score {score:.2f}")
    passed = sum(case.passed for case in made.cases)
    answers = list(made.answers)
    cost = f", {made.cost_usd:.4f} USD" if made.cost_usd else ""
    slowest = max((answer.latency_ms for answer in answers), default=0.0)
    print(f"{passed} of {len(made.cases)} cases passed, slowest answer {slowest:.0f} ms{cost}")


def _details(case: CaseVerdict) -> list[str]:
    lines = []
    for answer in case.answers:
        if answer.error or answer.not_asked:
            why = "no answer" if answer.error else "not asked"
            lines.append(f"{why}: {answer.error or answer.not_asked}")
        for each in answer.results:
            if each.outcome is EvalOutcome.FAILED:
                why = f": {each.explanation}" if each.explanation else ""
                wanted = f", expected {each.threshold}" if each.threshold else ""
                lines.append(f"{each.id}: score {each.score:g}{wanted}{why}")
            elif each.outcome is EvalOutcome.ERROR:
                lines.append(f"{each.id}: not evaluated: {each.error}")
            elif each.outcome is EvalOutcome.SKIPPED:
                lines.append(f"{each.id}: skipped: {each.error}")
    return lines


_SHOWN = 200


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
