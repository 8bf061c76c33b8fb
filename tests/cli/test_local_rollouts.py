"""What `omnia up` remembers about rollouts, and what a step changes in the plan of an agent."""

import asyncio
import json
from pathlib import Path

import pytest

from omnia_cli.local.desired import Desired, desired
from omnia_cli.local.rollouts import ObservedRollout, Rollouts
from omnia_cli.manifests import Document
from omnia_core.documents import Lines
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import Variant
from omnia_operator.api.rollout import RolloutPhase, RolloutStatus
from omnia_operator.plan import Settings
from omnia_operator.rollout.plan import World
from omnia_operator.rollout.reasons import NOT_POSSIBLE
from omnia_operator.rollout.requests import RolloutRequest, Verb
from tests.operator import objects, world
from tests.operator.cluster import config_map

KEY = ("default", "helper")
NOW = "2026-01-01T00:00:00Z"
ROLLOUT: JsonObject = {
    "candidate": {"providerRefs": [{"name": "default", "providerRef": {"name": "other"}}]},
    "steps": [{"setWeight": 50}, {"pause": {}}],
}


def step(
    status: RolloutStatus, change: JsonObject | None = None, *, ready: bool = False
) -> Desired:
    """Take a step of the rollout of an agent whose candidate has another provider."""
    values = [
        objects.agent(change or {"rollout": ROLLOUT}),
        objects.provider(),
        {**objects.provider(), "metadata": {"name": "other", "namespace": "default"}},
        objects.pack(),
        config_map("pack-json", {"pack.json": world.PACK_TEXT}),
    ]
    documents = [Document(Path("x.yaml"), value, Lines(1)) for value in values]
    observed = ObservedRollout(status, World(NOW, ready, settle_seconds=2.0), 5001, "secret")
    return desired(documents, {}, Settings(), rollouts={KEY: observed})


def schedule(wanted: Desired) -> JsonObject | None:
    for each in wanted.plans[KEY].config_maps:
        if each.name == "omnia-helper-rollout":
            found: JsonObject = json.loads(each.data["rollout.json"])
            return found
    return None


def test_a_step_has_a_candidate_with_its_door_and_its_token() -> None:
    begun = step(RolloutStatus())
    assert begun.rollouts[KEY].status.phase is RolloutPhase.PROGRESSING
    candidate = begun.rollouts[KEY].candidate
    assert candidate is not None
    assert (candidate.name, candidate.agent) == ("helper-canary", "helper")
    assert candidate.facade.env.variant is Variant.CANDIDATE
    assert begun.objects.secret(("default", "omnia-helper-peer"), "token") == "secret"

    weighted = step(begun.rollouts[KEY].status, ready=True)
    # Two seconds after the step, and not fifteen: there is one facade.
    assert schedule(weighted) == {
        "id": weighted.rollouts[KEY].status.id,
        "candidate": "127.0.0.1:5001",
        "steps": [[1767225602000, 50]],
    }


def test_a_mesh_of_the_cluster_is_left_out_and_no_spec_is_written() -> None:
    istio = {"virtualService": {"name": "a", "routes": ["b"]}, "destinationRule": {"name": "c"}}
    rollout = {**ROLLOUT, "trafficRouting": {"istio": istio}, "steps": [{"setWeight": 100}]}
    status = RolloutStatus()
    for _ in range(4):
        taken = step(status, {"rollout": rollout}, ready=True)
        status = taken.rollouts[KEY].status
        assert taken.rollouts[KEY].plan.write is None
    assert status.phase is RolloutPhase.PROMOTING


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"facade": {"handler": "demo"}}, "has no runtime that could be rolled out"),
        ({"promptPackRef": {"version": None}}, "without promptPackRef.version"),
    ],
)
def test_an_agent_that_can_have_no_candidate_says_why(change: JsonObject, said: str) -> None:
    rollout = {**ROLLOUT, "candidate": {"promptPackVersion": "2.0.0"}}
    found = step(RolloutStatus(), objects.merge({"rollout": rollout}, change)).rollouts[KEY]
    assert (found.candidate, found.status.reason) == (None, NOT_POSSIBLE)
    assert said in (found.status.message or "")


def test_a_candidate_that_refers_to_nothing_waits_with_the_reason() -> None:
    wanted = {"name": "default", "providerRef": {"name": "none"}}
    rollout = {**ROLLOUT, "candidate": {"providerRefs": [wanted]}}
    found = step(RolloutStatus(), {"rollout": rollout}).rollouts[KEY]
    assert found.candidate is None
    assert found.status.phase is RolloutPhase.PROGRESSING
    assert 'Provider "none"' in (found.status.message or "")


async def test_a_request_is_dealt_with_by_the_next_step() -> None:
    rollouts = Rollouts()
    assert rollouts.status(KEY) is None
    rollouts.take(KEY, None)
    assert not rollouts.due
    asked = asyncio.ensure_future(rollouts.ask(KEY, RolloutRequest(Verb.PROMOTE, "1")))
    await asyncio.sleep(0)
    assert rollouts.due
    assert rollouts.observed(KEY, 5001, World(now=NOW)).world.request is not None
    rollouts.take(KEY, None)
    assert [each.message for each in (await asked).news] == ["the agent has no spec.rollout"]
    assert not rollouts.due


def test_a_change_in_the_middle_of_a_step_is_not_lost() -> None:
    rollouts = Rollouts()
    rollouts.observed(KEY, 5001, World(now=NOW))
    rollouts.hurry(KEY)
    rollouts.take(KEY, None)
    assert rollouts.due
    rollouts.observed(KEY, 5001, World(now=NOW))
    rollouts.take(KEY, None)
    assert not rollouts.due


async def test_a_request_in_the_middle_of_a_step_waits_for_the_next() -> None:
    rollouts = Rollouts()
    assert rollouts.observed(KEY, 5001, World(now=NOW)).world.request is None
    asked = asyncio.ensure_future(rollouts.ask(KEY, RolloutRequest(Verb.ABORT, "1")))
    await asyncio.sleep(0)
    rollouts.take(KEY, None)
    assert rollouts.due
    await asyncio.sleep(0)
    assert not asked.done()
    assert rollouts.observed(KEY, 5001, World(now=NOW)).world.request is not None
    rollouts.take(KEY, None)
    assert (await asked).status == RolloutStatus()
    assert not rollouts.due


async def test_a_request_for_an_agent_that_goes_is_given_up() -> None:
    rollouts = Rollouts()
    rollouts.take(KEY, None)
    asked = asyncio.ensure_future(rollouts.ask(KEY, RolloutRequest(Verb.PROMOTE, "1")))
    await asyncio.sleep(0)
    rollouts.keep({})
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert rollouts.status(KEY) is None
