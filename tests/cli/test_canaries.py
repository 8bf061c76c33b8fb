"""The canary of a PromptPack on one machine: the clocks are those of the run."""

import json
from pathlib import Path

import pytest

from omnia_cli.local.canaries import Canaries, Steps
from omnia_cli.local.desired import Desired, desired
from omnia_cli.manifests import Document
from omnia_core.documents import Lines
from omnia_core.jsonvalue import JsonObject
from omnia_operator.plan import Settings
from tests.operator import objects, world
from tests.operator.cluster import config_map

START = "2026-01-01T00:00:00+00:00"
STATUS: JsonObject = {"canary": {"version": "2.0.0", "startTime": "2020-01-01T00:00:00Z"}}


def documents(**more: object) -> list[Document]:
    canary = {"packName": "pack", "version": "2.0.0", "rollout": {"type": "canary"}}
    values = [
        objects.agent(),
        objects.provider(),
        objects.pack(),
        config_map("pack-json", {"pack.json": world.PACK_TEXT}),
        {**objects.pack(canary, name="next"), **more},
        config_map("next-json", {"pack.json": world.PACK_TEXT}),
    ]
    return [Document(Path("x.yaml"), value, Lines(1)) for value in values]


def placement(wanted: Desired) -> JsonObject:
    (plan,) = wanted.plans.values()
    (pack,) = (each for each in plan.config_maps if each.name == "omnia-helper-pack")
    placed: JsonObject = json.loads(pack.data["placement.json"])
    return placed


def at(now: str, canaries: Canaries | None, **more: object) -> Desired:
    return desired(documents(**more), {}, Settings(), canaries, now)


@pytest.mark.parametrize("more", [{}, {"status": STATUS}])
def test_a_run_begins_with_the_weight_whatever_the_manifest_remembers(more: JsonObject) -> None:
    wanted = at(START, None, **more)

    assert placement(wanted) == {"stable": "1.0.0", "candidate": "2.0.0", "weight": 10}
    assert wanted.canaries.wait == 300.0
    assert wanted.canaries.news == (
        ("next", "version 2.0.0 gets 10 % of new sessions, version 1.0.0 gets the others"),
    )


def test_the_steps_are_taken_while_it_runs() -> None:
    first = at(START, None)
    second = at("2026-01-01T00:11:00+00:00", first.canaries)
    assert placement(second)["weight"] == 30
    assert second.canaries.wait == 240.0
    assert second.canaries.news == (("next", "version 2.0.0 gets 30 % of new sessions"),)

    last = at("2026-01-01T02:00:00+00:00", second.canaries)
    assert placement(last) == {"stable": "2.0.0"}
    assert last.canaries.wait is None
    assert last.canaries.news == (("next", "all new sessions get version 2.0.0"),)


def test_a_step_is_due_when_its_time_has_come() -> None:
    steps = Steps()
    assert not steps.due
    steps.take(Canaries(wait=0.0))
    assert steps.due
    steps.take(Canaries(wait=1000.0))
    assert not steps.due
    steps.take(Canaries())
    assert not steps.due
