"""What the bench says of a run, on figures that no machine had to find."""

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks.goals import ACTIVE, BURST, ONE, PACED, Goal, goal_lines, goals
from benchmarks.plot import plot
from benchmarks.relay.measuring import Figures, Load
from benchmarks.relay.report import more_lines, record, relay_lines
from benchmarks.relay.rounds import LOADS, rotated
from benchmarks.relay.samples import Samples, remarks
from benchmarks.relay.stacks import STACKS

MACHINE = {"cpu": "A processor"}


def figures(cost: float, **more: float) -> Figures:
    return {
        "cpu_us_per_chunk": cost,
        "facade_us_per_chunk": cost / 2,
        "chunks_per_second": 1e6 / cost,
        "first_chunk_p50_us": 200.0,
        "first_chunk_p99_us": 300.0,
        "active_kb": 20.0,
        "load_cpu": 0.3,
        "load_waited": 0.0,
        "errors": 0.0,
        "lost": 0.0,
        **more,
    }


def relayed(load: Load, **costs: list[float]) -> Samples:
    found = {
        (stack.replace("_", "-"), load): [figures(cost) for cost in rounds]
        for stack, rounds in costs.items()
    }
    return Samples(relay=found)


def only(found: list[Goal], words: str) -> Goal:
    (goal,) = [each for each in found if words in each.name]
    return goal


def test_a_ratio_is_taken_within_each_round() -> None:
    found = relayed(PACED[0], omnia=[10, 40, 30], go_lean=[20, 20, 60])
    goal = only(goals(found), "200 at 20 ms: CPU of a chunk, of go-lean")
    assert goal.measured == (0.5, 2.0, 0.5)
    assert goal.spread == {"median": 0.5, "min": 0.5, "max": 2.0}
    assert goal.verdict == "met"
    assert goal.remark == ""


def test_a_goal_carries_what_its_stacks_have_to_say() -> None:
    found = relayed(BURST, omnia=[5.0], go_lean=[10.0])
    found.relay["go-lean", BURST][0]["load_cpu"] = 0.99
    goal = only(goals(found), "a second and core, of go-lean")
    assert goal.remark == "go-lean: the load generator is the limit"


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal("less", 1.0, "x", (0.9, 1.0, 2.0)), "met"),
        (Goal("less", 1.0, "x", (1.3,)), "missed by 30%"),
        (Goal("less", 1.6, "x", (1.608,)), "missed by 0.5%"),
        (Goal("more", 1.5, "x", (1.5,), at_least=True), "met"),
        (Goal("more", 2.0, "x", (1.5,), at_least=True), "missed by 25%"),
        (Goal("none", 2.0, "x"), "not measured"),
    ],
)
def test_a_verdict_says_by_how_much_a_target_is_missed(goal: Goal, verdict: str) -> None:
    assert goal.verdict == verdict


def test_more_chunks_a_second_and_core_are_better() -> None:
    found = relayed(BURST, omnia=[5.0], go_lean=[10.0], go_omnia_shape_gzip=[20.0])
    judged = goals(found)
    assert only(judged, "a second and core, of go-lean").measured == (2.0,)
    assert only(judged, "a second and core, of go-lean").verdict == "met"
    assert only(judged, "a second and core, of go-omnia-shape-gzip").verdict == "missed by 20%"


@pytest.mark.parametrize("late", ["omnia", "go-lean"])
def test_a_stack_that_falls_behind_its_load_is_marked_and_not_compared(late: str) -> None:
    found = relayed(PACED[1], omnia=[10.0] * 3, go_lean=[20.0] * 3)
    for each, share in zip(found.relay[late, PACED[1]], (0.94, 0.9, 1.0), strict=True):
        each["share_of_offered"] = share
    goal = only(goals(found), "1000 at 100 ms: CPU of a chunk, of go-lean")
    assert goal.measured == ()
    assert goal.verdict == f"not compared: {late}, only 94% of the load"
    table = list(relay_lines(found))
    (row,) = [line for line in table if line.startswith(f"{late} ")]
    assert row.endswith("only 94% of the load: not compared")
    assert not any("0.50 (" in line for line in table), "no ratio of what is not compared"


def test_a_stack_of_which_nothing_arrived_is_not_compared() -> None:
    found = relayed(BURST, omnia=[10.0], go_lean=[20.0])
    found.relay["omnia", BURST][0]["chunks_per_second"] = 0.0
    goal = only(goals(found), "a second and core, of go-lean")
    assert goal.verdict == "not compared: omnia, no chunk in a window"


def test_a_goal_whose_stacks_did_not_run_is_not_measured() -> None:
    assert {goal.verdict for goal in goals(Samples())} == {"not measured"}


def test_every_goal_has_its_figures_from_one_run() -> None:
    found = Samples(
        relay={(stack, load): [figures(10.0)] for stack in STACKS for load in LOADS},
        idle={"omnia": [6.0], "go-lean": [30.0]},
        calls=[figures(0.1, cpu_us_per_call=200.0, load_cpu=0.95)],
        footprint=[
            {
                "pair_mb": 98.0,
                "facade_mb": 44.0,
                "runtime_mb": 56.0,
                "facade_ready_seconds": 0.4,
                "runtime_ready_seconds": 0.6,
            }
        ],
        turns=[{"turn of the runtime": 1.5, "adapter as in a turn": 1.4}],
    )
    judged = goals(found)
    assert all(goal.measured for goal in judged)
    assert only(judged, "idle connection").measured == (0.2,)
    assert only(judged, "function call").measured == (20.0,)
    assert only(judged, "function call").verdict == "missed by 25%"
    assert only(judged, "function call").remark == "the load generator is the limit"
    assert only(judged, "idle pair").verdict == "met"
    assert only(judged, "exec to ready, runtime").verdict == "missed by 20%"
    assert {ONE, ACTIVE} <= set(LOADS)


def test_the_table_of_the_goals_names_target_figures_and_verdict() -> None:
    goal = Goal("chunks", 1.5, "x", (1.0, 1.2, 1.4), at_least=True)
    row = list(goal_lines([goal]))[1]
    assert row.split("  ")[0] == "chunks"
    assert "≥ 1.5 x" in row
    assert "1.20 (1.00..1.40)" in row
    assert row.endswith("missed by 20%")
    remarked = replace(goal, remark="omnia: errors")
    assert list(goal_lines([remarked]))[1].endswith("missed by 20%; omnia: errors")


def test_a_reader_is_told_when_the_load_generator_is_the_limit() -> None:
    assert remarks([figures(1.0, load_cpu=0.99)]) == ["the load generator is the limit"]
    assert remarks([figures(1.0, load_waited=0.3)]) == [
        "the load generator waited 30% for its core"
    ]
    assert remarks([figures(1.0), figures(1.0, errors=1.0)]) == ["errors"]
    assert remarks([figures(1.0)]) == []


def test_the_record_has_a_row_for_each_stack_and_load() -> None:
    found = relayed(BURST, omnia=[3.0, 1.0, 2.0])
    written: dict[str, Any] = record(MACHINE, found)
    (row,) = written["rows"]
    assert (row["stack"], row["load"], row["conversations"]) == ("omnia", "burst", 100)
    assert row["cpu_us_per_chunk"] == {"median": 2.0, "min": 1.0, "max": 3.0}
    assert written["rounds"] == 3
    assert "chunks" not in row


def test_turns_of_another_length_say_so() -> None:
    short = Load("paced", 50, 20_000, chunks=10)
    samples = Samples(model={("omnia-openai", short): [figures(100.0)]})
    assert any("10 chunks a turn" in line for line in more_lines(samples))
    assert short.message == "10:20000"
    assert short.offered == pytest.approx(50 * 10 / 0.18)


def test_another_stack_comes_first_in_each_round() -> None:
    assert [rotated(["a", "b", "c"], number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert sorted(rotated(["a", "b", "c"], 2)) == ["a", "b", "c"]


def test_the_picture_has_a_bar_for_each_stack_and_goal_and_marks_what_is_not_compared() -> None:
    found = relayed(PACED[0], omnia=[10.0], go_lean=[20.0], c_floor=[5.0])
    found.relay["go-lean", PACED[0]][0]["share_of_offered"] = 0.5
    judged = [Goal("a <goal>", 1.0, "x", (0.5,)), Goal("another", 1.0, "x")]
    document = ET.fromstring(plot(found.relay, judged, "omnia"))  # noqa: S314 - our own
    words = [element.text for element in document.iter() if element.tag.endswith("text")]
    bars = [
        each
        for each in document.iter()
        if each.tag.endswith("rect") and each.get("width") != "100%"
    ]
    assert len(bars) == 2 + 1
    assert "not compared: only 50% of the load" in words
    assert "a <goal>" in words
    assert "not measured" in words
