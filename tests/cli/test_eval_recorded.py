"""`omnia eval` over recorded sessions: evaluated, asked again, made into datasets."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from omnia_cli.evaluation.dataset import read_dataset
from omnia_core.jsonvalue import JsonObject
from tests.cli.recorded_agent import ToolServer, model, record, write_agent
from tests.cli.test_commands import ROOT
from tests.docs.blocks import blocks
from tests.programs import PYTHON

LINES = [
    line
    for block in blocks(ROOT / "docs/how-to/evals.md")
    if block.language == "console"
    for line in block.text.splitlines()
]
SESSIONS = {f"s-{number}": [f"A-{number}", f"A-{number + 1000}"] for number in range(1, 101)}


def typed(part: str) -> list[str]:
    """Return the words of the page's line that has this part."""
    (line,) = (line for line in LINES if part in line)
    return line.removeprefix("$ omnia eval ").split()


class Recorded:
    """The folder of an agent with its recorded sessions."""

    def __init__(self, folder: Path, server: ToolServer) -> None:
        self.folder = folder
        self.server = server

    def eval(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PYTHON, "-m", "omnia_cli", "eval", *words],
            cwd=self.folder,
            env={**os.environ, "XDG_STATE_HOME": str(self.folder / "state")},
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, name: str) -> JsonObject:
        value: JsonObject = json.loads((self.folder / name).read_text())
        return value


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("recorded")
    server = ToolServer()
    with server.serving():
        write_agent(folder / "orders", server.port)
        record(folder / "orders", folder / "state", SESSIONS)
        yield Recorded(folder, server)


def test_a_backtest_of_the_same_agent_differs_in_nothing_and_asks_no_server(
    recorded: Recorded,
) -> None:
    (recorded.folder / "same.yaml").write_text(model())
    done = recorded.eval(
        "orders", "--since", "1h", "--candidate", "same.yaml", "--json", "same.json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert recorded.server.requests == 0
    made = recorded.json("same.json")
    assert {each["session"] for each in made["sessions"]} == set(SESSIONS)
    assert all(each["calls"] == 2 and each["unmatched"] == 0 for each in made["sessions"])
    assert [(each["id"], each["pairs"]) for each in made["evals"]] == [("date", 200), ("used", 200)]
    for each in made["evals"]:
        assert (each["difference"], each["low"], each["high"]) == (0, 0, 0)
        assert (each["lost"], each["gained"], each["p_value"]) == (0, 0, 1)
    assert made["cost_usd"]["recorded"] == pytest.approx(0.4)
    assert made["model_ms"]["recorded"] == pytest.approx(800)
    assert "100 of 100 sessions compared" in done.stdout


def test_a_worse_candidate_is_told_and_has_the_exit_code_1(recorded: Recorded) -> None:
    (recorded.folder / "candidate.yaml").write_text(model("It arrives soon."))
    done = recorded.eval(*typed("--candidate"), "--json", "worse.json")
    assert done.returncode == 1, done.stdout + done.stderr
    assert recorded.server.requests == 0
    assert "date: 1.00 -> 0.00, difference -1.000 [-1.000, -1.000], 40 pairs  WORSE" in done.stdout
    assert "passed only before: 40, only now: 0, McNemar p = 0.000" in done.stdout
    assert "used: 1.00 -> 1.00, difference +0.000 [+0.000, +0.000], 40 pairs  ok" in done.stdout


def test_recorded_sessions_are_evaluated_and_nothing_is_asked(recorded: Recorded) -> None:
    kept = recorded.eval(*typed("s-1"), "--keep", "--only", "date", "--json", "now.json")
    assert kept.stderr.endswith("4 results kept\n")
    done = recorded.eval(*typed("s-1"), "--keep", "--json", "now.json", "--junit", "j.xml")
    assert done.stderr.endswith("4 results kept\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS  s-1" in done.stdout
    assert recorded.server.requests == 0
    answers = recorded.json("now.json")["cases"][0]["answers"]
    assert [(each["id"], each["turn"]) for each in answers[0]["results"]] == [
        ("date", 1),
        ("used", 1),
        ("date", 2),
        ("used", 2),
    ]
    assert answers[0]["latency_ms"] == 9.0
    missing = recorded.eval("orders", "--session", "gone")
    assert missing.returncode == 2
    assert "404" in missing.stderr


def test_a_dataset_is_made_of_sessions_and_runs(recorded: Recorded) -> None:
    made = recorded.eval(*typed("eval new"))
    assert made.returncode == 0, made.stderr
    again = recorded.eval(*typed("eval new"))
    assert again.returncode == 2
    assert "cases.yaml exists" in again.stderr
    one = recorded.eval(*typed("eval add"))
    assert one.returncode == 0, one.stderr
    text = (recorded.folder / "cases.yaml").read_text()
    assert "  # The recorded answer: It arrives on 6 March." in text.splitlines()
    cases = read_dataset(recorded.folder / "cases.yaml").cases
    assert [each.messages for each in cases] == [
        ("Where is A-3?", "Where is A-1003?"),
        ("Where is A-4?", "Where is A-1004?"),
        ("Where is A-5?",),
    ]
    assert [each.id for each in cases[0].evals] == ["tools", "no-errors"]

    before = recorded.server.requests
    ran = recorded.eval(
        "orders",
        "--dataset",
        "cases.yaml",
        "--record",
        "tape",
        "--json",
        "first.json",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert recorded.server.requests == before + 5
    replayed = recorded.eval(
        "orders", "--dataset", "cases.yaml", "--replay", "tape", "--json", "second.json"
    )
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert recorded.server.requests == before + 5
    first, second = (recorded.folder / name for name in ("first.json", "second.json"))
    assert first.read_bytes() == second.read_bytes()


def test_a_turn_that_is_not_there_is_told_with_those_that_are(recorded: Recorded) -> None:
    done = recorded.eval("add", "s-5", "3", "-f", "orders")
    assert (done.returncode, done.stdout) == (2, "")
    assert "session s-5 has no turn 3; its turns: 1 to 2" in done.stderr
    printed = recorded.eval("add", "s-5", "2", "-f", "orders")
    assert yaml.safe_load(printed.stdout)[0]["messages"] == ["Where is A-5?", "Where is A-1005?"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--record", "a", "--replay", "b"), "--record and --replay exclude each other"),
        (("--candidate", "2.0.0"), "--candidate needs recorded sessions"),
        (("--session", "s-1", "--record", "a"), "recorded sessions are not asked again"),
        (("--keep",), "--keep keeps results beside recorded sessions: add --session ID"),
        (
            ("--keep", "--session", "s-1", "--candidate", "2.0.0"),
            "leave out --keep, and use",
        ),
        (("--keep", "--since", "1h", "-n", "shop"), "keep the results with --json FILE or --junit"),
        (("--keep", "--since", "1h", "--url", "http://h"), "the history API only reads"),
        (("--session", "s-1", "--since", "1h"), "--session and --since exclude each other"),
        (("--since", "soon"), "--since: expected a duration"),
        (("--replay", "nowhere"), "nowhere holds no recording: make one with --record"),
    ],
)
def test_options_that_do_not_fit_are_told(
    recorded: Recorded, words: tuple[str, ...], said: str
) -> None:
    (recorded.folder / "orders/evals").mkdir(exist_ok=True)
    (recorded.folder / "orders/evals/cases.yaml").write_text("[{input: Hello}]")
    done = recorded.eval("orders", *words)
    (recorded.folder / "orders/evals/cases.yaml").unlink()
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
