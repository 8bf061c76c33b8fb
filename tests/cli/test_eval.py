"""`omnia eval`: the command itself with the examples, and the datasets that it reads."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from omnia_cli.evaluation.dataset import DatasetInvalid, read_dataset
from omnia_cli.evaluation.differences import differences
from omnia_cli.evaluation.junit import write_junit
from omnia_cli.evaluation.results import ExitCode, Report, report
from omnia_core.conversation.usage import Usage
from omnia_core.files.evals.case_results import CaseResult, Evaluation
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import EvalOutcome
from tests.cli.test_commands import ROOT, omnia
from tests.docs.blocks import blocks

SUPPORT = str(ROOT / "examples/support-agent")
ORDER: JsonObject = {
    "name": "order",
    "input": "Where is order A-1001?",
    "expected": "12 March",
    "evals": [{"type": "tool_args", "params": {"tool": "lookup", "expected_args": {"x": 1}}}],
}


def dataset(folder: Path, content: Any, name: str = "evals.yaml") -> str:
    file = folder / name
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(file)


def run(folder: Path, content: Any, *words: str) -> subprocess.CompletedProcess[str]:
    return omnia("eval", SUPPORT, "--dataset", dataset(folder, content), *words, cwd=folder)


def suites_of(file: Path) -> ET.Element:
    return ET.parse(file).getroot()  # noqa: S314 - the command under test has written it


def test_an_agent_with_its_tools_is_asked_and_evaluated(tmp_path: Path) -> None:
    cases: list[JsonObject] = [
        {"name": "order", "input": "Where is order A-1001?", "expected": "12 March"},
        {"name": "two turns", "messages": ["Hello", "Where is order A-1001?"], "expected": "desk"},
    ]
    first = run(tmp_path, cases, "--json", "before.json", "--junit", "junit.xml", "--repeat", "2")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "PASS  order  2 of 2" in first.stdout
    assert "2 of 2 cases passed" in first.stdout
    suites = suites_of(tmp_path / "junit.xml")
    assert [(each.get("name"), each.get("tests")) for each in suites] == [("expected", "4")]
    answers = json.loads((tmp_path / "before.json").read_text())["cases"][0]["answers"]
    assert [each.get("repeat", 1) for each in answers] == [1, 2]
    assert "12 March" in answers[0]["answer"]

    cases[1]["expected"] = "banana"
    second = run(tmp_path, cases, "--baseline", "before.json")
    assert second.returncode == 1
    lines = second.stdout.splitlines()
    assert "FAIL  two turns" in lines
    assert '      expected: score 0: it does not contain "banana"' in lines
    assert "broken: two turns" in lines
    assert "expected: mean score 1.00 -> 0.50" in lines


def page_blocks(language: str) -> list[str]:
    page = ROOT / "docs/how-to/evals.md"
    return [block.text for block in blocks(page) if block.language == language]


def test_the_lines_of_the_page_are_typed(tmp_path: Path) -> None:
    lines = [line for text in page_blocks("console") for line in text.splitlines()]
    lines = [line for line in lines if "examples/" in line]
    assert len(lines) == 4
    for line in lines:
        words = line.removeprefix("$ omnia ").replace("examples/", f"{ROOT}/examples/").split()
        done = omnia(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        said = done.stdout.splitlines()
        assert ("--baseline" in line) is (said[-1] == "no difference to the baseline")


def test_the_dataset_of_the_page_is_one(tmp_path: Path) -> None:
    text = page_blocks("yaml")[0]
    made = read_dataset(Path(dataset(tmp_path, text)))
    assert [case.name for case in made.cases] == ["an order is looked up", "two turns"]
    assert [each.id for each in made.cases[1].evals] == ["short", "contains", "llm_judge"]


def test_a_function_is_asked(tmp_path: Path) -> None:
    cases = [{"input": {"text": "A long text."}, "evals": [{"type": "json_valid"}]}]
    folder = str(ROOT / "examples/summarizer-function")
    done = omnia("eval", folder, "--dataset", dataset(tmp_path, cases), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_could_not_be_evaluated_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    judged = {"input": "Hello", "evals": [{"type": "llm_judge", "params": {"criteria": "kind"}}]}
    away = run(tmp_path, [judged])
    assert away.returncode == 3
    assert 'no usable provider named "judge"' in away.stdout
    nothing = run(tmp_path, [judged], "--tier", "light")
    assert nothing.returncode == 3
    other = run(tmp_path, [{**ORDER, "evals": []}], "--only", "other")
    assert other.returncode == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "evals.yaml: line 2: this is neither JSON nor YAML"),
        ("just text", "expected a list of cases, or an object with the key cases"),
        ([], "there is no case in it"),
        ([{"name": "a"}], "case 1: expected either input or messages"),
        ([{"input": "a", "messages": ["b"]}], "case 1: expected either input or messages"),
        ([{"input": "a", "expect": "b"}], "unknown field `expect`"),
        ([{"input": "a", "evals": [{"id": "x"}]}], "case 1: x: Object missing required field"),
        ([{"input": "a", "evals": [{"type": "nope"}]}], '"nope" is not known'),
        ({"cases": [{"input": "a"}], "more": 1}, "more: not known"),
        ({"cases": [{"input": "a"}], "evals": "x"}, "evals: expected a list of objects"),
    ],
)
def test_a_wrong_dataset_is_told_with_its_place(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(DatasetInvalid) as refused:
        read_dataset(Path(dataset(tmp_path, content)))
    assert "evals.yaml: " in str(refused.value)
    assert said in str(refused.value)


def test_no_case_is_begun_when_the_money_is_spent(tmp_path: Path) -> None:
    cases = [{**ORDER, "name": str(number), "evals": []} for number in range(4)]
    ended = run(tmp_path, cases, "--max-cost", "0.001", "--max-parallel", "1")
    assert ended.returncode == 3, ended.stdout + ended.stderr
    lines = ended.stdout.splitlines()
    assert [line.split()[0] for line in lines if line[:4] in ("PASS", "SKIP")] == [
        "PASS",
        *["SKIP"] * 3,
    ]
    assert "USD are spent, and --max-cost is 0.001" in ended.stdout


def test_what_is_configured_wrong_ends_the_command_with_2(tmp_path: Path) -> None:
    missing = omnia("eval", SUPPORT, "--dataset", "no.yaml", cwd=tmp_path)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "no.yaml: cannot be read: No such file" in missing.stderr
    unknown = run(tmp_path, [ORDER], "--agent", "gone")
    assert unknown.returncode == 2
    assert 'there is no agent "gone"; the manifests have: support-agent' in unknown.stderr
    echo = str(ROOT / "examples/echo-agent")
    answerless = omnia("eval", echo, "--dataset", dataset(tmp_path, [ORDER]), cwd=tmp_path)
    assert answerless.returncode == 2
    assert "has no runtime" in answerless.stderr


def test_csv_and_json_lines_are_read(tmp_path: Path) -> None:
    text = 'input,expected,tier\n"Hello, you",hi,gold\nBye,,\n'
    made = read_dataset(Path(dataset(tmp_path, text, "cases.csv")))
    assert [each.messages for each in made.cases] == [("Hello, you",), ("Bye",)]
    assert made.cases[0].metadata == {"tier": "gold"}
    assert [each.id for each in made.cases[0].evals] == ["expected"]
    assert made.cases[1].evals == ()
    with pytest.raises(DatasetInvalid, match="found question"):
        read_dataset(Path(dataset(tmp_path, "question\nx\n", "cases.csv")))

    lines = '{"name": "a", "input": {"x": 1}}\n\n{"input": "b"}\n'
    made = read_dataset(Path(dataset(tmp_path, lines, "cases.jsonl")))
    assert [(each.name, each.messages) for each in made.cases] == [
        ("a", ('{"x": 1}',)),
        ("case 2", ("b",)),
    ]
    with pytest.raises(DatasetInvalid, match=r"cases\.jsonl:2: "):
        read_dataset(Path(dataset(tmp_path, '{"input": "a"}\n{', "cases.jsonl")))


def test_shared_evaluations_come_first_and_ids_are_unique(tmp_path: Path) -> None:
    contains = {"type": "contains", "params": {"patterns": ["a"]}}
    content = {"evals": [contains], "cases": [{"input": "a", "evals": [contains, contains]}]}
    (case,) = read_dataset(Path(dataset(tmp_path, content))).cases
    assert [each.id for each in case.evals] == ["contains", "contains 2", "contains 3"]


def test_the_expected_answer_is_the_reference_of_a_judge(tmp_path: Path) -> None:
    judge = {"type": "llm_judge", "params": {"criteria": "same"}}
    content = [{"input": "a", "expected": "b", "evals": [judge]}]
    (case,) = read_dataset(Path(dataset(tmp_path, content))).cases
    assert [each.params for each in case.evals] == [{"criteria": "same", "reference": "b"}]


def test_promptfoos_tests_are_taken_over_where_their_meaning_is_the_same(tmp_path: Path) -> None:
    content = {
        "prompts": ["{{question}}"],
        "defaultTest": {"assert": [{"type": "latency", "threshold": 9000}]},
        "tests": [
            {
                "description": "order",
                "vars": {"question": "Where?", "lang": "en"},
                "assert": [
                    {"type": "icontains", "value": "March"},
                    {"type": "not-contains", "value": "sorry"},
                    {"type": "regex", "value": "[0-9]+"},
                    {"type": "is-json"},
                    {"type": "llm-rubric", "value": "It is kind.", "threshold": 0.8},
                    {"type": "similar", "value": "x"},
                ],
            }
        ],
    }
    made = read_dataset(Path(dataset(tmp_path, content)))
    (case,) = made.cases
    assert (case.name, case.messages, case.metadata) == ("order", ("Where?",), {"lang": "en"})
    assert [each.type for each in case.evals] == [
        "latency_budget",
        "contains",
        "content_excludes",
        "regex",
        "json_valid",
        "llm_judge",
    ]
    assert made.notes == ("test 1: the assertion similar is not taken over",)
    content["tests"] = [{"vars": {"a": "1", "b": "2"}}]
    with pytest.raises(DatasetInvalid, match="which of the variables a, b the user says"):
        read_dataset(Path(dataset(tmp_path, content)))


def answer(
    index: int, outcome: EvalOutcome, repeat: int = 1, score: float | None = 1.0
) -> CaseResult:
    result = Evaluation("e", "contains", 1, outcome, score, explanation="why \x00 not")
    return CaseResult(index, repeat, "text", (result,), Usage(cost_usd=0.5), 20.0)


def test_the_pass_rate_is_that_of_each_case_and_no_mean_over_all() -> None:
    never = [answer(0, EvalOutcome.FAILED, n, 0.0) for n in range(1, 5)]
    always = [answer(1, EvalOutcome.PASSED, n) for n in range(1, 5)]
    made = report("a", ["never", "always"], [*never, *always], 0.5)
    assert [case.passed for case in made.cases] == [False, True]
    assert made.exit_code is ExitCode.FAILED
    half = [answer(0, EvalOutcome.PASSED if n < 3 else EvalOutcome.FAILED, n) for n in range(1, 5)]
    assert report("a", ["half"], half, 0.5).exit_code is ExitCode.PASSED
    assert report("a", ["half"], half, 0.6).exit_code is ExitCode.FAILED


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([answer(0, EvalOutcome.PASSED)], ExitCode.PASSED),
        ([answer(0, EvalOutcome.SCORED, score=0.1)], ExitCode.PASSED),
        ([answer(0, EvalOutcome.ERROR, score=None)], ExitCode.NOT_EVALUATED),
        ([answer(0, EvalOutcome.SKIPPED, score=None)], ExitCode.NOT_EVALUATED),
        ([CaseResult(0, error="away")], ExitCode.FAILED),
        ([], ExitCode.FAILED),
    ],
)
def test_the_exit_code_tells_failures_from_what_was_not_evaluated(
    answers: list[CaseResult], code: ExitCode
) -> None:
    assert report("a", ["one"], answers, 1.0).exit_code is code


def test_junit_has_a_suite_for_each_evaluation_and_survives_any_text(tmp_path: Path) -> None:
    made = report(
        "a",
        ["x\x1b"],
        [answer(0, EvalOutcome.FAILED, score=0.0), CaseResult(0, 2, error="\x01")],
        1,
    )
    write_junit(tmp_path / "junit.xml", made)
    suites = {each.get("name"): each for each in suites_of(tmp_path / "junit.xml")}
    assert suites["e"].get("failures") == "1"
    assert suites["answers"].get("errors") == "1"


# What junit-10.xsd of the xUnit plugin for Jenkins allows: the attributes of each element, those
# that are required, and its children in any order.
JENKINS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), {"testsuite"}),
    "testsuite": (
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file"},
        {"name", "tests", "failures", "errors"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"time", "classname", "group"},
        {"name"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    **dict.fromkeys(("failure", "error", "skipped"), ({"type", "message"}, set(), set())),
    "system-out": (set(), set(), set()),
}


def test_junit_has_only_what_the_schema_of_jenkins_allows(tmp_path: Path) -> None:
    results = tuple(
        Evaluation(str(outcome), "t", turn, outcome, error="why")
        for outcome in EvalOutcome
        for turn in (1, 2)
    )
    answers = [
        CaseResult(0, 1, "a", results),
        CaseResult(0, 2, error="x"),
        CaseResult(0, 3, not_asked="y"),
    ]
    write_junit(tmp_path / "junit.xml", report("a", ["one"], answers, 1))
    root = suites_of(tmp_path / "junit.xml")
    assert root.tag == "testsuites"
    for element in root.iter():
        allowed, required, children = JENKINS[element.tag]
        assert required <= set(element.attrib) <= allowed | required
        assert {child.tag for child in element} <= children
    for suite in root:
        found = {
            tag: len(suite.findall(f"testcase/{tag}")) for tag in ("failure", "error", "skipped")
        }
        counts = {
            tag: int(suite.get(name, "0"))
            for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped"))
        }
        assert (counts, int(suite.get("tests", "0"))) == (found, len(suite.findall("testcase")))
    names = [test.get("name") for test in root.findall("testsuite[@name='passed']/testcase")]
    assert names == ["one #1, turn 1", "one #1, turn 2"]


def test_a_report_is_read_again_and_compared(tmp_path: Path) -> None:
    before = report(
        "a",
        ["one", "two"],
        [answer(0, EvalOutcome.FAILED, score=0), answer(1, EvalOutcome.PASSED)],
        1,
    )
    again = msgspec.json.decode(msgspec.json.encode(before), type=Report)
    now = report(
        "a", ["one", "three"], [answer(0, EvalOutcome.PASSED), answer(1, EvalOutcome.PASSED)], 1
    )
    assert list(differences(again, now)) == [
        "mended: one",
        "      e: failed 0.00 -> passed 1.00: why \x00 not",
        "new: three, passed",
        "gone: two",
        "e: mean score 0.50 -> 1.00",
    ]


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text("ab:{[", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "input", "messages", "evals", "cases", "tests", "vars", "assert"]
            )
            | st.sampled_from(
                ["type", "params", "value", "id", "expected", "metadata", "defaultTest"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(values)
def test_any_document_is_a_dataset_or_refused(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_text(json.dumps(value))
    refusal = ""
    try:
        assert read_dataset(file).cases
    except DatasetInvalid as refused:
        refusal = str(refused)
    assert not refusal or refusal.startswith(str(file))


EVALUATED = sorted(each.parent.parent for each in ROOT.glob("examples/*/evals/cases.yaml"))


@pytest.mark.parametrize("folder", EVALUATED, ids=lambda folder: folder.name)
def test_the_cases_of_every_example_pass_without_a_key(folder: Path, tmp_path: Path) -> None:
    done = omnia("eval", str(folder), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_example_that_a_model_answers_has_cases() -> None:
    there = {each.name for each in EVALUATED}
    # Their facades answer by themselves.
    without = {"demo-agent", "echo-agent"}
    assert {each.name for each in (ROOT / "examples").iterdir() if each.is_dir()} == there | without


DYING_SERVER = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: tools}
spec:
  selector: {matchLabels: {app: tools}}
  template:
    metadata: {labels: {app: tools}}
    spec:
      containers:
        - name: tools
          image: example.com/tools:1
          command: [python, -c, "raise SystemExit('no tools today')"]
          ports: [{containerPort: 8000}]
"""


def test_answers_without_a_server_of_the_manifests_are_no_result(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    shutil.copytree(ROOT / "examples/support-agent", folder)
    with (folder / "agent.yaml").open("a") as file:
        file.write(DYING_SERVER)
    done = omnia("eval", str(folder), cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "tools did not serve all the time: tools ended: exit code 1" in done.stderr
    assert "no tools today" in done.stderr
