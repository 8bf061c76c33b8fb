"""The rollout's decisions: every rule, and what a hostile world does to them."""

import copy
import datetime as dt
import functools
import random
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonvalue import JsonObject
from omnia_operator.api.agentruntime import AgentRuntimeSpec
from omnia_operator.api.rollout import (
    AnalysisPhase,
    AnalysisStatus,
    MetricStatus,
    RolloutPhase,
    RolloutResult,
    RolloutStatus,
)
from omnia_operator.rollout import reasons
from omnia_operator.rollout.identity import (
    digest_of,
    fields_of,
    overridden,
    promotion_patch,
    rollback_patch,
    with_fields,
)
from omnia_operator.rollout.machine import advance
from omnia_operator.rollout.plan import AnalysisProgress, Plan, World, Write
from omnia_operator.rollout.requests import RolloutRequest, Verb
from omnia_operator.rollout.traffic import (
    CHECK_SECONDS,
    TrafficProblem,
    TrafficState,
    wanted_weight,
)

STEPS: list[JsonObject] = [
    {"setWeight": 10},
    {"pause": {"duration": "30s"}},
    {"setWeight": 50},
    {"pause": {"duration": "10s"}},
    {"setWeight": 100},
]
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def document(
    version: str | None = "1.0.0",
    candidate: str | None = "2.0.0",
    steps: list[JsonObject] | None = None,
    **rollout: Any,
) -> JsonObject:
    """Return an agent as the API server has it."""
    reference = {"name": "shop", **({} if version is None else {"version": version})}
    chosen: JsonObject = {"steps": steps or STEPS, **rollout}
    if candidate is not None:
        chosen["candidate"] = {"promptPackVersion": candidate}
    return {
        "spec": {
            "promptPackRef": reference,
            "providers": [{"name": "default", "providerRef": {"name": "claude"}}],
            "rollout": chosen,
        }
    }


def spec_of(found: JsonObject) -> AgentRuntimeSpec:
    return parsed(orjson.dumps(found["spec"]))


@functools.cache
def parsed(text: bytes) -> AgentRuntimeSpec:
    return AgentRuntimeSpec.model_validate_json(text)


def patched(found: JsonObject, operations: list[JsonObject]) -> JsonObject:
    """Apply a JSON patch as the API server does."""
    made: JsonObject = copy.deepcopy(found)
    for operation in operations:
        *parents, last = operation["path"].removeprefix("/").split("/")
        holder: Any = made
        for part in parents:
            holder = holder[int(part) if isinstance(holder, list) else part]
        key: Any = int(last) if isinstance(holder, list) else last
        if operation["op"] == "test":
            assert holder[key] == operation["value"]
        elif operation["op"] == "remove":
            del holder[key]
        else:
            holder[key] = operation["value"]
    return made


@dataclass
class Bed:
    """A spec and a status, and a clock."""

    document: JsonObject
    status: RolloutStatus = field(default_factory=RolloutStatus)
    now: dt.datetime = START
    ready: bool = True
    failure: str = ""
    runs: str | None = None
    obstacle: str = ""
    analysis: AnalysisProgress | None = None
    traffic: TrafficState = field(default_factory=TrafficState)
    writes: list[Write] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    count: int = 0

    def step(self, verb: Verb | None = None) -> Plan:
        """Take one step, at the time at which the last one wanted to be woken."""
        self.count += verb is not None
        plan = advance(
            spec_of(self.document),
            self.status,
            World(
                now=self.now.isoformat(),
                candidate_ready=self.ready,
                candidate_failure=self.failure,
                stable_runs=self.runs or "",
                request=RolloutRequest(verb, str(self.count), "bad words") if verb else None,
                obstacle=self.obstacle,
                analysis=self.analysis,
                traffic=self.traffic,
            ),
        )
        if plan.write is not None:
            self.writes.append(plan.write)
            made = (
                promotion_patch(self.document, plan.stable)
                if plan.write is Write.PROMOTION
                else rollback_patch(self.document)
            )
            self.document = patched(self.document, made)
        self.status = plan.status
        self.runs = digest_of(plan.stable)
        self.events += [news.reason for news in plan.news]
        return plan

    def wait(self, plan: Plan) -> None:
        self.now += dt.timedelta(seconds=plan.wake or 1)

    def until(self, *phases: RolloutPhase, limit: int = 60) -> Plan:
        """Take steps until one of these phases."""
        for _ in range(limit):
            plan = self.step()
            if plan.status.phase in phases:
                return plan
            self.wait(plan)
        raise AssertionError(self.status)

    def reason(self) -> str | None:
        return self.status.reason


def test_a_good_candidate_goes_through_all_steps_and_is_promoted_with_one_write() -> None:
    bed = Bed(document())
    seen = []
    bed.step()
    for _ in range(60):
        plan = bed.step()
        seen.append((plan.status.phase.value, plan.status.current_weight))
        bed.wait(plan)
        if not plan.status.active:
            break
    assert list(dict.fromkeys(seen)) == [
        ("Progressing", 10),
        ("Paused", 10),
        ("Progressing", 50),
        ("Paused", 50),
        ("Progressing", 100),
        ("Promoting", 100),
        ("Idle", None),
    ]
    assert bed.writes == [Write.PROMOTION]
    assert bed.document["spec"]["promptPackRef"]["version"] == "2.0.0"
    last = bed.status.last
    assert last is not None
    assert (last.result, last.candidate_version) == (RolloutResult.PROMOTED, "2.0.0")
    assert bed.reason() == reasons.NO_ROLLOUT
    assert bed.step().candidate is None
    assert bed.events.count("RolloutPromoted") == 1


ROUTING: JsonObject = {"gatewayAPI": {"httpRoute": {"name": "shop"}}}
UNROUTED = TrafficProblem("ObjectNotFound", "there is no HTTPRoute shop")


def test_a_weight_that_is_not_in_force_stops_each_step_and_no_request() -> None:
    bed = Bed(document(trafficRouting=ROUTING), traffic=TrafficState(UNROUTED))
    for _ in range(4):
        plan = bed.step()
        assert plan.wake is not None
        assert plan.wake <= CHECK_SECONDS
        bed.wait(plan)
    assert (bed.status.current_step, bed.status.current_weight) == (0, 0)
    assert (bed.reason(), bed.status.message) == (reasons.TRAFFIC_NOT_ROUTED, UNROUTED.message)

    bed.traffic = TrafficState()
    paused = bed.until(RolloutPhase.PAUSED)
    assert paused.status.current_weight == 10
    bed.traffic = TrafficState(UNROUTED)
    bed.now += dt.timedelta(hours=1)
    plan = bed.step()
    assert (plan.status.phase, bed.reason()) == (RolloutPhase.PAUSED, reasons.PAUSE_STEP)
    bed.traffic = TrafficState()
    assert bed.step().status.phase is RolloutPhase.PROGRESSING, "the pause itself was not longer"
    bed.traffic = TrafficState(UNROUTED, drained=False)
    assert bed.step(Verb.ABORT).status.phase is RolloutPhase.ROLLING_BACK
    bed.now += dt.timedelta(hours=1)
    for _ in range(3):
        assert bed.step().candidate is not None, "it may get traffic still"
    bed.traffic = TrafficState(UNROUTED)
    bed.until(RolloutPhase.IDLE)


def test_a_promotion_keeps_the_candidate_until_it_has_no_weight() -> None:
    bed = Bed(document(steps=[{"setWeight": 100}], trafficRouting=ROUTING))
    bed.step()
    bed.traffic = TrafficState(drained=False)
    bed.until(RolloutPhase.PROMOTING)
    for _ in range(6):
        bed.wait(bed.step())
    assert bed.status.over
    assert bed.status.phase is RolloutPhase.PROMOTING
    assert wanted_weight(spec_of(bed.document), bed.status) == 0
    bed.traffic = TrafficState()
    assert bed.until(RolloutPhase.IDLE).status.last is not None


def test_other_objects_get_the_weights_when_the_former_have_lost_theirs() -> None:
    bed = Bed(document(trafficRouting=ROUTING))
    bed.until(RolloutPhase.PAUSED)
    before = bed.status.traffic_routing
    bed.document["spec"]["rollout"].pop("trafficRouting")
    assert wanted_weight(spec_of(bed.document), bed.status) == 0
    bed.traffic = TrafficState(drained=False)
    assert bed.step().status.traffic_routing == before
    bed.traffic = TrafficState()
    assert bed.step().status.traffic_routing is None
    assert bed.status.phase is RolloutPhase.PAUSED
    assert bed.status.current_weight == 10


def test_a_weight_of_a_mesh_begins_at_once_and_one_of_the_facades_later() -> None:
    for sticky, seconds in ((None, 0), ({"hashOn": "x-user-id"}, 15)):
        bed = Bed(document(trafficRouting=ROUTING, stickySession=sticky))
        bed.step()
        at = bed.now
        (weight,) = bed.step().status.weights
        begins = dt.datetime.fromisoformat(weight.time)
        assert begins - at == dt.timedelta(seconds=seconds)


def test_no_weight_before_a_ready_pod_and_every_weight_begins_later_than_it_is_decided() -> None:
    bed = Bed(document(), ready=False)
    for _ in range(5):
        bed.wait(bed.step())
    assert (bed.status.weights, bed.status.current_weight) == ((), 0)
    assert "ready pod" in (bed.status.message or "")
    bed.ready = True
    plan = bed.step()
    (change,) = plan.status.weights
    begins = dt.datetime.fromisoformat(change.time)
    assert (change.weight, (begins - bed.now).total_seconds()) == (10, 15)


@pytest.mark.parametrize("mode", ["automatic", "manual", "disabled"])
def test_a_candidate_whose_pods_fail(mode: str) -> None:
    bed = Bed(document(rollback={"mode": mode}))
    bed.until(RolloutPhase.PAUSED)
    bed.ready, bed.failure = False, "ImagePullBackOff: no such image"
    bed.now += dt.timedelta(seconds=31)
    bed.step()  # the pause is over
    bed.step()
    if mode == "automatic":
        assert bed.status.phase is RolloutPhase.ROLLING_BACK
        plan = bed.until(RolloutPhase.IDLE)
        assert plan.candidate is None
        assert bed.writes == [Write.ROLLBACK]
        assert bed.document["spec"]["rollout"]["candidate"] == {"promptPackVersion": "1.0.0"}
        assert bed.status.last is not None
        assert "ImagePullBackOff" in bed.status.last.reason
    elif mode == "manual":
        assert (bed.status.phase, bed.reason()) == (RolloutPhase.PAUSED, reasons.CANDIDATE_FAILED)
        bed.failure, bed.ready = "", True
        assert bed.step().status.phase is RolloutPhase.PAUSED, "a person decides"
        bed.step(Verb.RETRY)
        assert bed.step().status.current_weight == 50
    else:
        assert bed.status.phase is RolloutPhase.PROGRESSING
        before = bed.status
        assert bed.step().status == before, "waiting writes nothing"
        assert bed.events.count("RolloutCandidateFailed") == 1


def test_a_rolled_back_candidate_is_not_tried_again_until_somebody_says_so() -> None:
    bed = Bed(document())
    git = bed.document
    bed.until(RolloutPhase.PAUSED)
    bed.step(Verb.ABORT)
    bed.until(RolloutPhase.IDLE)
    assert bed.writes == [Write.ROLLBACK]
    bed.document = git
    for _ in range(5):
        plan = bed.step()
        assert (plan.candidate, plan.status.reason) == (None, reasons.ROLLED_BACK)
    assert bed.writes == [Write.ROLLBACK]
    assert "bad words" in (bed.status.message or "")
    assert bed.step(Verb.RETRY).status.phase is RolloutPhase.PROGRESSING


def test_another_candidate_waits_for_the_cooldown() -> None:
    bed = Bed(document(rollback={"cooldown": "2m"}))
    bed.until(RolloutPhase.PAUSED)
    bed.step(Verb.ABORT)
    bed.until(RolloutPhase.IDLE)
    bed.document = document(candidate="3.0.0", rollback={"cooldown": "2m"})
    plan = bed.step()
    assert (plan.status.reason, plan.candidate) == (reasons.WAITING, None)
    assert plan.wake is not None
    assert 0 < plan.wake <= 120
    assert bed.step(Verb.RETRY).status.active, "it can be skipped"


def test_git_that_restores_the_spec_after_the_promotion_changes_nothing() -> None:
    bed = Bed(document())
    git = bed.document
    bed.step()
    bed.until(RolloutPhase.IDLE)
    promoted = bed.step().stable
    for _ in range(5):
        bed.document = git
        plan = bed.step()
        assert (plan.stable, plan.candidate) == (promoted, None)
        assert (plan.status.active, plan.status.reason) == (False, reasons.PROMOTED_HELD)
        assert "2.0.0" in (plan.status.message or "")
    assert bed.writes == [Write.PROMOTION]
    # Git follows: nothing changes, and nothing is held any more.
    bed.document = document("2.0.0", None)
    plan = bed.step()
    assert (plan.stable, plan.status.held) == (promoted, None)
    # Going back on purpose: the spec alone counts.
    bed.document = git
    assert bed.step().status.reason != reasons.PROMOTED_HELD


def test_a_promotion_that_only_holds_never_writes() -> None:
    bed = Bed(document(promotion="hold"))
    bed.step()
    plan = bed.until(RolloutPhase.IDLE)
    assert bed.writes == []
    plan = bed.step()
    assert plan.stable.prompt_pack_version == "2.0.0"
    assert plan.status.reason == reasons.PROMOTED_HELD
    bed.document["spec"]["rollout"].pop("candidate")
    assert bed.step().stable.prompt_pack_version == "1.0.0"


ANALYSED: list[JsonObject] = [
    {"setWeight": 10},
    {"analysis": {"templateName": "quality"}},
    {"setWeight": 100},
]


def progress(phase: AnalysisPhase, message: str = "") -> AnalysisProgress:
    status = AnalysisStatus(
        template_name="quality",
        phase=phase,
        message=message or None,
        step=1,
        start_time=START.isoformat(),
        metrics=(
            MetricStatus(
                name="errors",
                successful=2,
                next_time=START.isoformat(),
                last_data_time=START.isoformat(),
            ),
        ),
    )
    return AnalysisProgress(status, wake=7.0)


def analysed(phase: AnalysisPhase, mode: str = "manual") -> Bed:
    """A rollout whose analysis has ended as `phase`."""
    bed = Bed(document(steps=ANALYSED, rollback={"mode": mode}))
    while bed.status.current_step != 1:
        bed.step()
    bed.analysis = progress(phase, "errors: too many")
    bed.step()
    return bed


def test_an_analysis_is_never_passed_in_silence() -> None:
    bed = Bed(document(steps=ANALYSED))
    for _ in range(20):
        bed.now += dt.timedelta(hours=1)
        bed.step()
    assert (bed.status.current_step, bed.status.current_weight) == (1, 10)
    assert "waits for a ready pod" in (bed.status.message or "")
    bed.analysis = AnalysisProgress(obstacle="AnalysisNotFound", message="apply it")
    plan = bed.step()
    assert (plan.status.reason, plan.status.message) == ("AnalysisNotFound", "apply it")
    bed.analysis = progress(AnalysisPhase.RUNNING)
    plan = bed.step()
    assert (plan.wake, plan.status.reason) == (7.0, reasons.ANALYSIS_RUNNING)
    assert "errors 2 successful" in (plan.status.message or "")
    assert plan.status.analysis == bed.analysis.status
    bed.analysis = progress(AnalysisPhase.SUCCESSFUL)
    bed.step()
    assert bed.events[-1] == "RolloutAnalysisPassed"
    assert bed.step().status.current_weight == 100


@pytest.mark.parametrize("phase", [AnalysisPhase.FAILED, AnalysisPhase.ERROR])
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("automatic", RolloutPhase.ROLLING_BACK),
        ("manual", RolloutPhase.PAUSED),
        ("disabled", RolloutPhase.PROGRESSING),
    ],
)
def test_an_analysis_that_fails_does_what_the_mode_says(
    mode: str, expected: RolloutPhase, phase: AnalysisPhase
) -> None:
    bed = analysed(phase, mode)
    assert bed.status.phase is expected
    assert "RolloutAnalysisFailed" in bed.events
    if expected is not RolloutPhase.PROGRESSING:
        assert "quality: errors: too many" in (bed.status.message or "")
    else:
        assert bed.status.current_step == 2


@pytest.mark.parametrize("mode", ["automatic", "manual", "disabled"])
def test_an_inconclusive_analysis_pauses_once_and_a_person_decides(mode: str) -> None:
    bed = analysed(AnalysisPhase.INCONCLUSIVE, mode)
    for _ in range(5):
        bed.step()
    assert bed.reason() == reasons.ANALYSIS_INCONCLUSIVE
    assert bed.events.count("RolloutAnalysisInconclusive") == 1
    went_on, again, back = (copy.deepcopy(bed) for _ in range(3))
    went_on.step(Verb.PROMOTE)
    assert went_on.step().status.current_weight == 100
    again.step(Verb.RETRY)
    assert (again.status.current_step, again.status.analysis) == (1, None)
    assert again.status.phase is RolloutPhase.PROGRESSING
    back.step(Verb.ABORT)
    assert back.status.phase is RolloutPhase.ROLLING_BACK


def test_after_a_failed_analysis_promote_leaves_the_step() -> None:
    bed = analysed(AnalysisPhase.FAILED)
    assert bed.reason() == reasons.ANALYSIS_FAILED
    bed.step(Verb.PROMOTE)
    assert bed.status.current_step == 2


def test_an_analysis_that_a_person_paused_measures_from_the_beginning() -> None:
    bed = analysed(AnalysisPhase.RUNNING)
    bed.step(Verb.PAUSE)
    assert bed.step().status.phase is RolloutPhase.PAUSED
    bed.step(Verb.PROMOTE)
    assert (bed.status.current_step, bed.status.analysis) == (1, None)


def test_a_pause_lasts_from_its_beginning_however_often_it_is_looked_at() -> None:
    bed = Bed(document())
    bed.until(RolloutPhase.PAUSED)
    began = bed.now
    # The operator is away for longer than the pause: it is over then, and not begun again.
    bed.now += dt.timedelta(seconds=45)
    assert bed.step().status.phase is RolloutPhase.PROGRESSING
    assert bed.step().status.current_weight == 50
    assert (bed.now - began).total_seconds() == 45


EDITS: list[tuple[str, dict[str, Any], list[str | None], str, str | None]] = [
    # what, the new document, the verbs, phase and reason
    ("another candidate", {"candidate": "3.0.0"}, [], "Progressing", reasons.PROGRESSING),
    ("withdrawn", {"candidate": None}, [], "RollingBack", reasons.ROLLING_BACK),
    ("set to the spec", {"candidate": "1.0.0"}, [], "RollingBack", reasons.ROLLING_BACK),
    ("written into the spec", {"version": "2.0.0"}, [], "Promoting", reasons.PROMOTING),
    ("another base", {"version": "1.5.0"}, [], "Progressing", reasons.PROGRESSING),
    ("fewer steps", {"steps": STEPS[:1]}, [], "Promoting", reasons.PROMOTING),
    ("more steps", {"steps": [*STEPS, *STEPS]}, [], "Paused", reasons.PAUSE_STEP),
    ("another step there", {"steps": [STEPS[0], STEPS[2]]}, [], "Progressing", reasons.PROGRESSING),
    ("replicas", {}, [], "Paused", reasons.PAUSE_STEP),
    ("abort", {}, ["abort"], "RollingBack", reasons.ROLLING_BACK),
    ("pause", {}, ["pause"], "Paused", reasons.PAUSED_BY_REQUEST),
    ("promote", {}, ["promote"], "Progressing", reasons.PROGRESSING),
    ("promote --full", {}, ["promote-full"], "Promoting", reasons.PROMOTING),
]


@pytest.mark.parametrize(
    ("change", "verbs", "phase", "reason"), [each[1:] for each in EDITS], ids=[e[0] for e in EDITS]
)
def test_edits_in_the_middle(
    change: dict[str, Any], verbs: list[str], phase: str, reason: str
) -> None:
    bed = Bed(document())
    bed.until(RolloutPhase.PAUSED)
    before = bed.status
    bed.document = document(**change)
    bed.step(Verb(verbs[0]) if verbs else None)
    if change.get("steps") == STEPS[:1]:
        bed.step()  # the pause is gone, and then all steps are done
    assert (bed.status.phase.value, bed.reason()) == (phase, reason)
    if phase == "Progressing" and change.get("candidate") == "3.0.0":
        assert (bed.status.weights, bed.status.current_step) == ((), 0)
        assert bed.status.id != before.id


@pytest.mark.parametrize("verb", [Verb.ABORT, Verb.PROMOTE, Verb.PROMOTE_FULL, Verb.PAUSE])
def test_a_request_that_does_not_fit_is_told_and_changes_nothing(verb: Verb) -> None:
    bed = Bed(document("2.0.0"))
    bed.step()
    before = bed.status
    (news,) = bed.step(verb).news
    assert bed.events == ["RolloutRequestRefused"]
    asked = verb.value.replace("-full", " --full")
    assert news.message.startswith(f"the request {asked} does not fit a rollout that is Idle")
    assert ": expected " in news.message
    assert bed.status.model_copy(update={"request": None}) == before
    assert bed.step().status.request == "1"


def test_a_candidate_that_equals_stable_is_told_and_one_that_was_promoted_is_not() -> None:
    bed = Bed(document(candidate="1.0.0"))
    bed.step()
    assert bed.reason() == reasons.NO_ROLLOUT
    assert "change it to roll something out" in (bed.status.message or "")
    bed.document = document()
    bed.until(RolloutPhase.PROGRESSING)
    bed.until(RolloutPhase.IDLE)
    bed.step()
    assert (bed.reason(), bed.status.message) == (reasons.NO_ROLLOUT, None)


def test_a_request_is_dealt_with_once() -> None:
    bed = Bed(document(steps=[{"pause": {}}, {"pause": {}}, {"setWeight": 100}]))
    bed.until(RolloutPhase.PAUSED)
    request = RolloutRequest(Verb.PROMOTE, "same")
    for expected in (RolloutPhase.PROGRESSING, RolloutPhase.PAUSED, RolloutPhase.PAUSED):
        world = World(now=bed.now.isoformat(), candidate_ready=True, request=request)
        bed.status = advance(spec_of(bed.document), bed.status, world).status
        assert bed.status.phase is expected
    assert bed.status.current_step == 1


def test_an_agent_that_cannot_have_a_candidate_says_why() -> None:
    bed = Bed(document(), obstacle="sessions are a file of one pod")
    plan = bed.step()
    assert (plan.candidate, plan.status.reason) == (None, reasons.NOT_POSSIBLE)
    bed.obstacle = ""
    bed.document["spec"]["rollout"]["candidate"] = {
        "providerRefs": [{"name": "judge", "providerRef": {"name": "x"}}]
    }
    plan = bed.step()
    assert plan.status.reason == reasons.NOT_POSSIBLE
    assert "judge" in (plan.status.message or "")


NAMES = st.sampled_from(["claude", "gpt", "local"])
VERSIONS = st.sampled_from(["1.0.0", "2.0.0"])
REGISTRIES = st.none() | st.sampled_from([{"name": "tools"}, {"name": "more"}])


@given(
    st.none() | VERSIONS,
    st.none() | VERSIONS,
    NAMES,
    st.lists(NAMES, max_size=1),
    REGISTRIES,
    REGISTRIES,
)
def test_the_writes_make_both_sides_equal_and_change_nothing_else(
    version: str | None,
    wanted: str | None,
    provider: str,
    provider_wanted: list[str],
    registry: JsonObject | None,
    registry_wanted: JsonObject | None,
) -> None:
    found = document(version, wanted)
    found["spec"]["providers"][0]["providerRef"]["name"] = provider
    candidate = found["spec"]["rollout"].setdefault("candidate", {})
    if provider_wanted:
        candidate["providerRefs"] = [
            {"name": "default", "providerRef": {"name": provider_wanted[0]}}
        ]
    if registry:
        found["spec"]["toolRegistryRef"] = registry
    if registry_wanted:
        candidate["toolRegistryRef"] = registry_wanted
    spec = spec_of(found)
    assert spec.rollout
    assert spec.rollout.candidate
    goal = overridden(fields_of(spec), spec.rollout.candidate)
    promoted = patched(found, promotion_patch(found, goal))
    assert fields_of(spec_of(promoted)) == goal == fields_of(with_fields(spec, goal))
    assert promoted["spec"]["rollout"] == found["spec"]["rollout"]
    back = patched(found, rollback_patch(found))
    rest = spec_of(back)
    assert rest.rollout
    assert fields_of(rest) == fields_of(spec)
    again = rest.rollout.candidate
    assert again
    assert overridden(fields_of(rest), again) == fields_of(rest)
    assert promotion_patch(promoted, goal) == []
    assert rollback_patch(back) == []


@dataclass
class Outcome:
    """What a hostile world made of a rollout."""

    plan: Plan
    stable: list[str | None]
    writes: int


def hostile(seed: int, *, git: bool, crashes: bool, good: bool, edits: bool) -> Outcome:
    """Run a rollout while Git restores the spec, the operator dies, pods come and go."""
    choose = random.Random(seed)  # noqa: S311 - the same world for the same seed
    original = found = document(rollback={"mode": "automatic", "cooldown": "5s"})
    status, now, stable, candidate = RolloutStatus(), START, None, None
    runs, writes, seen, plan = "", 0, [], None
    for tick in range(160):
        now += dt.timedelta(seconds=choose.choice((1, 2, 5)))
        if git and tick % 7 == 0:
            found = original
        if edits and choose.random() < 0.03:
            original = found = document(
                choose.choice(["1.0.0", "1.0.0", "1.5.0"]), choose.choice(["2.0.0", "3.0.0", None])
            )
        if stable is not None and choose.random() < 0.7:
            runs = digest_of(stable)
        there = candidate is not None and candidate == status.candidate
        world = World(
            now=now.isoformat(),
            candidate_ready=there and choose.random() < 0.8,
            candidate_failure="crash" if there and not good and choose.random() < 0.05 else "",
            stable_runs=runs,
        )
        plan = advance(spec_of(found), status, world)
        assert plan == advance(spec_of(found), status, world), "it is a function"
        weight = plan.status.current_weight or 0
        grows = weight > (status.current_weight or 0)
        assert not grows or world.candidate_ready or plan.status.phase is RolloutPhase.PROMOTING
        assert weight == 0 or plan.candidate is not None, "a weight has a candidate"
        assert plan.status.active == (plan.candidate is not None)
        if crashes and choose.random() < 0.2:
            stable, candidate = plan.stable, plan.candidate
            seen.append(stable.prompt_pack_version)
            continue  # the status was not written
        if plan.write is not None and not (crashes and choose.random() < 0.2):
            # The intent is in the status before.
            assert status.phase in (RolloutPhase.PROMOTING, RolloutPhase.ROLLING_BACK)
            patch = (
                promotion_patch(found, plan.stable)
                if plan.write is Write.PROMOTION
                else rollback_patch(found)
            )
            found = patched(found, patch)
            writes += bool(patch)
        if stable is not None and stable != plan.stable:
            runs = ""
        stable, candidate = plan.stable, plan.candidate
        seen.append(stable.prompt_pack_version)
        status = plan.status
    assert plan is not None
    return Outcome(plan, seen, writes)


@given(st.integers(), st.booleans(), st.booleans(), st.booleans())
def test_a_hostile_world_gets_one_change_of_stable_or_none(
    seed: int, git: bool, crashes: bool, good: bool
) -> None:
    outcome = hostile(seed, git=git, crashes=crashes, good=good, edits=False)
    changes = sum(
        before != after for before, after in zip(outcome.stable, outcome.stable[1:], strict=False)
    )
    assert outcome.writes <= 2
    last = outcome.plan.status.last
    if good:
        assert last is not None
        assert (last.result, outcome.stable[-1], changes) == (RolloutResult.PROMOTED, "2.0.0", 1)
    elif last is not None and last.result is RolloutResult.ROLLED_BACK:
        assert (outcome.stable[-1], changes) == ("1.0.0", 0)
    else:
        assert changes <= 1


@given(st.integers(), st.booleans(), st.booleans(), st.booleans())
def test_no_edit_breaks_what_always_holds(seed: int, git: bool, crashes: bool, good: bool) -> None:
    hostile(seed, git=git, crashes=crashes, good=good, edits=True)
