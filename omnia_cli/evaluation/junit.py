"""A run as JUnit's XML, as the test reports of most CI systems read it."""

from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

from omnia_cli.evaluation.results import CaseVerdict, Report
from omnia_core.files.evals.case_results import CaseResult, Evaluation
from omnia_core.names import EvalOutcome


def write_junit(path: Path, report: Report) -> None:
    """Write a suite for each evaluation, and in it a test for each answer.

    Raises:
        OSError: the file cannot be written.
    """
    suites: dict[str, list[tuple[CaseVerdict, CaseResult, Evaluation]]] = defaultdict(list)
    root = ET.Element("testsuites", name=report.agent)
    for case in report.cases:
        for answer in case.answers:
            for result in answer.results:
                suites[result.id].append((case, answer, result))
    for name, tests in suites.items():
        outcomes = [result.outcome for _, _, result in tests]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=name,
            tests=str(len(tests)),
            failures=str(outcomes.count(EvalOutcome.FAILED)),
            errors=str(outcomes.count(EvalOutcome.ERROR)),
            skipped=str(outcomes.count(EvalOutcome.SKIPPED)),
        )
        for case, answer, result in tests:
            _test(suite, case, answer, result)
    unanswered = [
        (case, each)
        for case in report.cases
        for each in case.answers
        if each.error or each.not_asked
    ]
    if unanswered:
        errors = sum(bool(answer.error) for _, answer in unanswered)
        suite = ET.SubElement(
            root,
            "testsuite",
            name="answers",
            tests=str(len(unanswered)),
            failures="0",
            errors=str(errors),
            skipped=str(len(unanswered) - errors),
        )
        for case, answer in unanswered:
            test = ET.SubElement(
                suite, "testcase", name=_name(case, answer), classname=report.agent
            )
            tag = "error" if answer.error else "skipped"
            ET.SubElement(test, tag, message=_xml(answer.error or answer.not_asked))
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _test(suite: ET.Element, case: CaseVerdict, answer: CaseResult, result: Evaluation) -> None:
    test = ET.SubElement(
        suite,
        "testcase",
        name=_name(case, answer, result),
        classname=result.type,
        time=f"{answer.latency_ms / 1000:.3f}",
    )
    tags = {
        EvalOutcome.FAILED: "failure",
        EvalOutcome.ERROR: "error",
        EvalOutcome.SKIPPED: "skipped",
    }
    if tag := tags.get(result.outcome):
        message = result.error or result.explanation or f"score {result.score}"
        ET.SubElement(test, tag, message=_xml(message))
    # Jenkins knows properties of suites only.
    values = {"score": result.score, "cost_usd": answer.cost_usd}
    known = [f"{key}: {value:g}" for key, value in values.items() if value is not None]
    ET.SubElement(test, "system-out").text = "\n".join(known)


def _name(case: CaseVerdict, answer: CaseResult, result: Evaluation | None = None) -> str:
    name = case.name if len(case.answers) == 1 else f"{case.name} #{answer.repeat}"
    turns = {each.turn for each in answer.results if each.turn}
    if result and result.turn and len(turns) > 1:
        name += f", turn {result.turn}"
    return _xml(name)


def _xml(text: str) -> str:
    """Replace the characters that XML 1.0 cannot have."""
    return "".join(
        char
        if char in "\t\n\r"
        or "\x20" <= char <= "\ud7ff"
        or "\ue000" <= char <= "\ufffd"
        or char >= "\U00010000"
        else "\ufffd"
        for char in text
    )
