"""On a real cluster a new version of a PromptPack gets its part of the new sessions, then all."""

import datetime as dt
import json

import pytest

from omnia_core.files.placement import Placement, place
from omnia_core.jsonvalue import JsonObject
from tests.cluster.agents import events, here, pods, ready
from tests.cluster.harness.waiting import becomes, eventually, wait_until
from tests.cluster.kubectl import Kubectl
from tests.cluster.prompt_teller import begin_sessions, prompt_teller
from tests.cluster.talking import say, talk, wait_reachable
from tests.operator import objects, world
from tests.operator.cluster import config_map

pytestmark = pytest.mark.usefixtures("omnia")

SESSIONS = 1000
# The ids of sessions are random: of a thousand, the part differs from the weight by up to 8 points,
# five standard deviations at half the weight. Which session gets what is checked exactly.
POINTS = 8
# So many that one of them tells a part of ten percent from none.
SOME = 200

MODEL: JsonObject = {"type": "openai", "model": "small", "baseURL": "http://teller:8000/v1"}


def version(number: str, canary: JsonObject | None = None) -> list[JsonObject]:
    """A version whose prompt is its number."""
    main = {**world.PACK["prompts"]["main"], "system_template": number}
    content = {**world.PACK, "version": number, "prompts": {"main": main}}
    name = f"pack-v{number[0]}"
    change: JsonObject = {"packName": "pack", "version": number}
    if canary is not None:
        change["rollout"] = {"type": "canary", "canary": canary}
    made = (
        config_map(f"{name}-json", {"pack.json": json.dumps(content)}),
        objects.pack(change, name=name),
    )
    return [here(each) for each in made]


def agent(kubectl: Kubectl) -> None:
    """An agent on version 1.0.0, whose model says which version it is."""
    kubectl.apply(*prompt_teller())
    wait_reachable(kubectl, "teller", 8000)
    helper = objects.agent({"provider": MODEL, "providers": None})
    kubectl.apply(*version("1.0.0"), here(helper))
    ready(kubectl, "helper")


def status(kubectl: Kubectl) -> JsonObject:
    found: JsonObject = kubectl.get("promptpack", "pack-v2").get("status", {})
    return found


def phases(kubectl: Kubectl) -> dict[str, str]:
    return {
        each["metadata"]["name"]: each.get("status", {}).get("phase", "")
        for each in kubectl.list("promptpacks")
    }


def used(kubectl: Kubectl, placement: Placement) -> None:
    """Return when new sessions are placed so."""

    def placed() -> None:
        began = begin_sessions(kubectl, "helper", SOME)
        assert began == {session: place(session, placement) for session in began}, placement

    eventually(placed)


def test_new_sessions_are_split_by_the_weight_and_old_ones_stay(kubectl: Kubectl) -> None:
    agent(kubectl)
    old, answers = talk(kubectl, "helper", "Which version are you?")
    assert answers == ["1.0.0"]
    before = pods(kubectl)

    for weight in (10, 50, 90):
        kubectl.apply(*version("2.0.0", {"weight": weight, "interval": "1h"}))
        placement = Placement("1.0.0", "2.0.0", weight)
        used(kubectl, placement)
        began = begin_sessions(kubectl, "helper", SESSIONS)
        assert began == {session: place(session, placement) for session in began}
        part = 100 * list(began.values()).count("2.0.0") / SESSIONS
        assert abs(part - weight) <= POINTS

    kubectl.apply(*version("2.0.0", {"weight": 90, "interval": "1s"}))
    becomes(lambda: phases(kubectl), {"pack-v1": "Superseded", "pack-v2": "Active"})
    used(kubectl, Placement("2.0.0"))
    assert say(kubectl, "helper", "And now?", session=old) == ["1.0.0"]
    assert pods(kubectl) == before

    kubectl("delete", "promptpack", "pack-v2")
    used(kubectl, Placement("1.0.0"))


def test_the_clock_takes_a_canary_through_its_steps(kubectl: Kubectl) -> None:
    agent(kubectl)
    # Longer than a busy machine takes from one look to the next.
    canary = {"weight": 25, "stepWeight": 25, "interval": "10s"}
    kubectl.apply(*version("2.0.0", canary))
    weights: list[int] = []

    def active() -> bool:
        found = status(kubectl)
        if weight := found.get("canaryWeight"):
            weights.append(weight)
        return found.get("phase") == "Active"

    wait_until("it is active", active)
    assert {25} <= set(weights) <= {25, 50, 75}
    assert weights == sorted(weights)
    ran = status(kubectl)["canary"]
    times = [dt.datetime.fromisoformat(ran[name]) for name in ("startTime", "completionTime")]
    assert times[1] - times[0] >= dt.timedelta(seconds=30)

    expected = {"CanaryStarted": 1, "CanaryStepped": 2, "CanaryPromoted": 1}
    becomes(lambda: {each: len(events(kubectl, each, "pack-v2")) for each in expected}, expected)
    used(kubectl, Placement("2.0.0"))
