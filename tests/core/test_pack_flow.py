"""Workflow, agents, skills and compositions of a pack: every name leads somewhere."""

import copy
from typing import Any

import pytest

from omnia_core.files.pack.issues import Issue
from omnia_core.files.pack.parse import read_pack
from tests.core.packs import text
from tests.core.whole_pack import WHOLE


def issues(place: str, value: object) -> list[Issue]:
    """What is wrong with the whole pack when one place, written with dots, has another value."""
    changed = copy.deepcopy(WHOLE)
    *path, last = (int(step) if step.isdecimal() else step for step in place.split("."))
    inside: Any = changed
    for step in path:
        inside = inside[step]
    inside[last] = value
    return read_pack(text(changed)).issues


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        (
            "workflow.entry",
            "begin",
            'workflow.entry: there is no state "begin" here; there are: st',
        ),
        (
            "workflow.states.start.on_event.done",
            "ende",
            (
                'workflow.states.start.on_event.done: there is no state "ende" here; there are:'
                ' start, end; did you mean "end"?'
            ),
        ),
        (
            "workflow.states.start.persistence",
            "for ever",
            'workflow.states.start.persistence: expected one of "transient", "persistent", found',
        ),
        ("workflow.states.start.on_max_visits", "x", "workflow.states.start.on_max_visits: there"),
        (
            "workflow.states.start.prompt_task",
            "x",
            "workflow.states.start.prompt_task: there is no",
        ),
        ("workflow.states.start", {}, 'workflow.states.start: the key "prompt_task" is missing'),
        (
            "workflow.states.end.composition",
            "x",
            "workflow.states.end.composition: there is no com",
        ),
        ("agents.entry", "x", 'agents.entry: there is no prompt "x" here; there are: help'),
        ("agents.members.other", {}, 'agents.members.other: there is no prompt "other" here'),
        ("agents.members.help.state", "x", 'agents.members.help.state: there is no state "x" here'),
        ("skills.0", {}, "skills[0]: a skill needs either path, or name, description and"),
        ("skills.1.name", "n", "skills[1]: a skill with path cannot have name"),
        ("skills.2.instructions", "", "skills[2].instructions: expected a text that is not empty"),
        ("compositions.graph.output", "x", 'compositions.graph.output: there is no step "x" here'),
        (
            "compositions.graph.steps.1.id",
            "one",
            "compositions.graph.steps[0].id: another step has",
        ),
        (
            "compositions.graph.steps.1.depends_on",
            ["x"],
            "compositions.graph.steps[1].depends_on[0]",
        ),
        (
            "compositions.graph.steps.0.kind",
            "magic",
            "compositions.graph.steps[0].kind: expected prompt, agent,",
        ),
        (
            "compositions.graph.steps.1.termination",
            {},
            "compositions.graph.steps[1].termination: exp",
        ),
        ("compositions.graph.steps.2.tool", None, 'compositions.graph.steps[2]: the key "tool" is'),
        (
            "compositions.graph.steps.3.then",
            "x",
            "compositions.graph.steps[3].then: there is no ste",
        ),
        (
            "compositions.graph.steps.3.predicate.all_of.0.op",
            None,
            "compositions.graph.steps[3].predicate.all_of[0]: expected one of: path with op and",
        ),
        (
            "compositions.graph.steps.4.branches",
            [],
            "compositions.graph.steps[4].branches: expected a list with 2 at least, found a list",
        ),
        (
            "compositions.graph.steps.0.provider",
            "x",
            'compositions.graph.steps[0].provider: "x" is',
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_an_error(place: str, value: object, error: str) -> None:
    found = [str(each) for each in issues(place, value) if each.severity == "error"]
    assert found
    assert found[0].startswith(error)


@pytest.mark.parametrize(
    ("place", "value", "warning"),
    [
        (
            "workflow.states.end.on_event",
            {"x": "start"},
            "workflow.states.end.on_event: a terminal",
        ),
        ("workflow.entry", "end", "workflow.entry: compositions are not run"),
        (
            "compositions.graph.steps.2.tool",
            "lokup",
            "compositions.graph.steps[2].tool: there is no",
        ),
        (
            "compositions.graph.steps.0.promt",
            "x",
            "compositions.graph.steps[0].promt: there is no k",
        ),
    ],
)
def test_what_another_runtime_may_know_is_a_warning(
    place: str, value: object, warning: str
) -> None:
    (found,) = issues(place, value)
    assert found.severity == "warning"
    assert str(found).startswith(warning)
