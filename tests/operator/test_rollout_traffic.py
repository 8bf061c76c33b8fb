"""A rollout whose traffic is split by Istio or the Gateway API, in a cluster in memory."""

import copy
from typing import Any

import pytest

from omnia_core.errors import Code
from omnia_core.files.rollout import parse_schedule
from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.cluster.errors import ClusterError, Forbidden
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    CONFIG_MAP,
    DEPLOYMENT,
    DESTINATION_RULE,
    HTTP_ROUTE,
    SECRET,
    SERVICE,
    VIRTUAL_SERVICE,
    ObjectKind,
)
from omnia_operator.rollout import traffic
from tests.operator import objects
from tests.operator.cluster import unavailable
from tests.operator.test_rollout_reconcile import STEPS, Bed, candidate_objects
from tests.operator.test_traffic_weights import (
    backend,
    destination_rule,
    http_route,
    to,
    virtual_service,
)

ISTIO: JsonObject = {
    "istio": {
        "virtualService": {"name": "shop", "routes": ["primary"]},
        "destinationRule": {"name": "shop"},
    }
}
GATEWAY: JsonObject = {"gatewayAPI": {"httpRoute": {"name": "shop"}}}
STICKY: JsonObject = {"stickySession": {"hashOn": "x-user-id"}}


def mesh() -> list[JsonObject]:
    routes = ("primary", [to("stable", 100), to("candidate", 0)])
    return [virtual_service(routes), destination_rule()]


def gateway() -> list[JsonObject]:
    return [http_route([backend("helper", 100), backend("helper-candidate", 0)])]


class Split:
    """A rollout with what splits its traffic."""

    def __init__(self, routing: JsonObject, *documents: JsonObject, **rollout: Any) -> None:
        self.bed = Bed(rollout.pop("change", None), trafficRouting=routing, **rollout)
        self.cluster = self.bed.cluster
        self.kind = VIRTUAL_SERVICE if "istio" in routing else HTTP_ROUTE
        self.cluster.put(*documents)

    @property
    def weights(self) -> list[int]:
        """Those of stable and of the candidate."""
        spec = self.cluster.live(self.kind, "shop")["spec"]
        listed = spec["http"][0]["route"] if "http" in spec else spec["rules"][0]["backendRefs"]
        return [each["weight"] for each in listed]

    @property
    def selects_both(self) -> bool:
        selector = self.cluster.live(SERVICE)["spec"]["selector"]
        assert selector[labels.NAME] == labels.AGENT
        return labels.INSTANCE not in selector

    def condition(self) -> str:
        return self.cluster.conditions().get("TrafficRouting", "")

    async def until_paused(self) -> None:
        await self.bed.until("Paused")
        await self.bed.step()


CASES = {"istio": (ISTIO, mesh), "gateway": (GATEWAY, gateway)}


@pytest.mark.parametrize("case", CASES)
async def test_the_weights_follow_the_steps_to_the_promotion(case: str) -> None:
    routing, documents = CASES[case]
    split = Split(routing, *documents())
    bed, cluster = split.bed, split.cluster
    seen: list[list[int]] = []
    shared: list[bool] = []
    for number in range(40):
        status = await bed.step()
        seen.append(split.weights)
        shared.append(split.selects_both)
        # The mesh never sends anything to a subset without pods.
        assert split.weights[1] == 0 or candidate_objects(cluster)
        assert case == "gateway" or split.weights[1] == 0 or split.selects_both
        if status["phase"] == "Paused":
            assert split.condition() == "True: WeightsSet"
            bed.ask(f"promote {number}")
        if status.get("last"):
            break
    assert bed.rollout["last"]["result"] == "Promoted"
    assert [each for at, each in enumerate(seen) if at == 0 or each != seen[at - 1]] == [
        [100, 0],
        [90, 10],
        [0, 100],
        [100, 0],
    ]
    assert any(shared) is (case == "istio")
    await bed.step()
    assert candidate_objects(cluster) == []
    assert not split.selects_both
    assert cluster.live(AGENT_RUNTIME)["spec"]["promptPackRef"]["version"] == "2.0.0"
    assert "omnia-helper-rollout" not in cluster.names(CONFIG_MAP)
    assert cluster.writes.count(f"edit {split.kind} shop") == 3


async def test_no_facade_places_sessions_of_a_mesh() -> None:
    split = Split(ISTIO, *mesh())
    await split.until_paused()
    assert "omnia-helper-rollout" not in split.cluster.names(CONFIG_MAP)
    assert "omnia-helper-peer" not in split.cluster.names(SECRET)
    assert split.cluster.names(SERVICE) == ["helper", "helper-canary"]
    (change,) = split.bed.rollout["weights"]
    assert change["time"] < split.bed.now.isoformat(), "nothing is waited for"
    rule = split.cluster.live(DESTINATION_RULE, "shop")["spec"]["subsets"]
    assert rule == [
        {"name": "stable", "labels": {labels.VARIANT: "stable"}},
        {"name": "candidate", "labels": {labels.VARIANT: "candidate"}},
    ]
    pods = split.bed.template()["metadata"]["labels"]
    assert pods[labels.VARIANT] == "stable"
    selector = split.cluster.live(SERVICE)["spec"]["selector"]
    canary = split.cluster.live(DEPLOYMENT, "helper-canary")["spec"]["template"]["metadata"]
    assert selector.items() <= pods.items()
    assert selector.items() <= canary["labels"].items()


@pytest.mark.parametrize("case", CASES)
async def test_an_abort_takes_the_weight_away_before_the_pods(case: str) -> None:
    routing, documents = CASES[case]
    split = Split(routing, *documents())
    await split.until_paused()
    assert split.weights == [90, 10]
    split.bed.ask("abort 1 slow")
    await split.bed.until("RollingBack")
    await split.bed.step()
    assert split.weights == [100, 0]
    assert "Deployment helper-canary" in candidate_objects(split.cluster)
    await split.bed.until("Idle")
    await split.bed.step()
    assert candidate_objects(split.cluster) == []
    assert "TrafficRouting" not in split.cluster.conditions()


@pytest.mark.parametrize("case", CASES)
async def test_weights_that_somebody_changes_are_put_back(case: str) -> None:
    routing, documents = CASES[case]
    split = Split(routing, *documents())
    await split.until_paused()
    split.cluster.writes.clear()
    await split.bed.step()
    assert split.cluster.writes == [], "nothing is written that is there"
    split.cluster.put(*documents())
    requeue = await split.cluster.reconcile(AGENT_RUNTIME, now=split.bed.now.isoformat())
    assert split.weights == [90, 10]
    assert requeue.delay is not None
    assert requeue.delay <= 5
    if case == "istio":
        # Its subsets too.
        split.cluster.put(destination_rule())
        await split.bed.step()
        assert len(split.cluster.live(DESTINATION_RULE, "shop")["spec"]["subsets"]) == 2


def refused(verb: str, resource: str) -> Forbidden:
    message = f'{resource} "shop" is forbidden: User "omnia" cannot {verb} resource'
    return Forbidden(Code.INVALID_ARGUMENT, message, transient=False)


Broken = tuple[list[JsonObject], tuple[str, ObjectKind] | None, str, str]
MISSING: dict[str, Broken] = {
    "no VirtualService": ([destination_rule()], None, "ObjectNotFound", "no VirtualService shop"),
    "no DestinationRule": (mesh()[:1], None, "ObjectNotFound", "no DestinationRule shop"),
    "no route": (
        [virtual_service(("other", [])), destination_rule()],
        None,
        "RouteInvalid",
        "add it below spec.http: - {name: primary",
    ),
    "no subset": (
        [virtual_service(("primary", [to("stable", 100)])), destination_rule()],
        None,
        "RouteInvalid",
        "add at /spec/http/0/route: - {destination:",
    ),
    "a sum of more": (
        [
            virtual_service(("primary", [to("stable", 90), to("candidate", 0), to("old", 5)])),
            destination_rule(),
        ],
        None,
        "WeightsInvalid",
        "95 in sum",
    ),
    "wrong pods": (
        [mesh()[0], destination_rule({"name": "stable", "labels": {"app": "x"}})],
        None,
        "SubsetInvalid",
        "set its labels to",
    ),
    "may not read": (mesh(), ("read", VIRTUAL_SERVICE), "NotAllowed", "istio.enabled: true"),
    "may not change": (mesh(), ("edit", DESTINATION_RULE), "NotAllowed", "may not change"),
}


@pytest.mark.parametrize("name", MISSING)
async def test_what_is_missing_is_a_condition_and_the_rollout_waits(name: str) -> None:
    documents, forbidden, reason, said = MISSING[name]
    split = Split(ISTIO, *documents)
    cluster = split.cluster
    if forbidden is not None:
        cluster.forbidden[forbidden] = refused(forbidden[0], forbidden[1].plural)
    for _ in range(8):
        await split.bed.step()
    assert split.condition() == f"False: {reason}"
    assert said in cluster.message("TrafficRouting")
    assert (split.bed.rollout["currentStep"], split.bed.rollout["currentWeight"]) == (0, 0)
    assert cluster.conditions()["RolloutActive"] == "True: TrafficNotRouted"
    assert cluster.conditions()["Ready"] == "True: RuntimeReady"
    assert not split.selects_both, "the candidate gets nothing by the Service either"
    assert [each for _, each in cluster.events].count(reason) == 1

    # It goes on by itself.
    cluster.forbidden.clear()
    cluster.put(*mesh()[:1], destination_rule({"name": "v1", "labels": {"version": "v1"}}))
    await split.until_paused()
    assert split.weights == [90, 10]


@pytest.mark.parametrize("case", CASES)
async def test_without_the_kinds_the_condition_names_them(case: str) -> None:
    split = Split(CASES[case][0])
    split.cluster.lacks |= {VIRTUAL_SERVICE, DESTINATION_RULE, HTTP_ROUTE}
    for _ in range(3):
        await split.bed.step()
    assert split.condition() == "False: NotInstalled"
    assert "the cluster has no kind" in split.cluster.message("TrafficRouting")
    assert "remove rollout.trafficRouting" in split.cluster.message("TrafficRouting")
    # What never had a weight is not waited for.
    split.bed.ask("abort 1")
    await split.bed.until("Idle")


async def test_a_candidate_stays_while_it_is_unknown_whether_it_gets_traffic() -> None:
    split = Split(ISTIO, *mesh())
    await split.until_paused()
    split.cluster.forbidden["edit", VIRTUAL_SERVICE] = refused("patch", "virtualservices")
    split.bed.ask("abort 1")
    for _ in range(12):
        await split.bed.step()
    assert split.bed.rollout["phase"] == "RollingBack"
    assert split.condition() == "False: NotAllowed"
    assert "Deployment helper-canary" in candidate_objects(split.cluster)
    assert split.selects_both
    split.cluster.forbidden.clear()
    await split.bed.until("Idle")
    assert split.weights == [100, 0]


async def test_a_virtual_service_that_is_deleted_sends_nothing_and_stops_the_rollout() -> None:
    split = Split(ISTIO, *mesh(), steps=[{"setWeight": 10}, {"pause": {"duration": "10s"}}])
    await split.bed.until("Paused")
    split.cluster.remove(VIRTUAL_SERVICE, "shop")
    for _ in range(8):
        await split.bed.step()
    assert split.condition() == "False: ObjectNotFound"
    assert split.bed.rollout["phase"] == "Paused", "it waits at its step"
    assert not split.selects_both, "without its weights both sides would get their share"
    split.cluster.put(mesh()[0])
    await split.bed.until("Promoting")


async def test_a_write_that_fails_is_repeated() -> None:
    split = Split(ISTIO, *mesh())
    split.cluster.forbidden["edit", VIRTUAL_SERVICE] = unavailable()
    for _ in range(5):
        await split.bed.step()
    assert split.condition() == "False: NotWritten"
    split.cluster.forbidden.clear()
    await split.until_paused()
    assert split.weights == [90, 10]


async def test_objects_that_are_replaced_lose_their_weights_first() -> None:
    split = Split(ISTIO, *mesh())
    await split.until_paused()
    second = copy.deepcopy(mesh())
    for each in second:
        each["metadata"]["name"] = "second"
    split.cluster.put(*second)
    other = copy.deepcopy(ISTIO)
    other["istio"]["virtualService"]["name"] = other["istio"]["destinationRule"]["name"] = "second"
    split.bed.edit(trafficRouting=other)
    for _ in range(4):
        await split.bed.step()
    assert split.weights == [100, 0]
    spec = split.cluster.live(VIRTUAL_SERVICE, "second")["spec"]
    assert [each["weight"] for each in spec["http"][0]["route"]] == [90, 10]


async def test_a_rollout_that_is_removed_leaves_no_weight_behind() -> None:
    split = Split(ISTIO, *mesh())
    await split.until_paused()
    live = copy.deepcopy(split.cluster.live(AGENT_RUNTIME))
    del live["spec"]["rollout"]
    split.cluster.put(live)
    for _ in range(10):
        await split.bed.step()
        assert split.weights[1] == 0 or candidate_objects(split.cluster)
    assert split.weights == [100, 0]
    assert candidate_objects(split.cluster) == []


async def test_sticky_sessions_are_placed_by_the_facades_of_both_sides() -> None:
    split = Split(ISTIO, *mesh(), **STICKY)
    cluster = split.cluster
    idle = copy.deepcopy(split.bed.manifest)
    idle["spec"]["rollout"].pop("candidate")
    cluster.put(idle)
    await split.bed.step()
    before = split.bed.template()
    cluster.put(split.bed.manifest)
    await split.until_paused()
    assert split.bed.template() == before, "no pod of stable is replaced when it begins"

    files = cluster.live(CONFIG_MAP, "omnia-helper-rollout")["data"]
    schedule = parse_schedule(files["rollout.json"], "")
    assert schedule.hash_on == "x-user-id"
    assert schedule.stable == "helper-stable.default.svc:8082"
    service = cluster.live(SERVICE, "helper-stable")["spec"]
    assert (service["clusterIP"], service["ports"][0]["port"]) == ("None", 8082)
    assert service["selector"] == labels.selector("helper")
    facade = before["spec"]["containers"][0]
    assert {"name": "OMNIA_PEER_PORT", "value": "8082"} in facade["env"]
    assert "peer" in {each["name"] for each in facade["ports"]}
    assert split.weights == [90, 10]


async def test_the_candidate_is_a_backend_also_while_there_is_none() -> None:
    split = Split(GATEWAY, *gateway(), steps=STEPS)
    idle = copy.deepcopy(split.bed.manifest)
    idle["spec"]["rollout"].pop("candidate")
    split.cluster.put(idle)
    await split.bed.step()
    service = split.cluster.live(SERVICE, "helper-candidate")["spec"]
    assert service["selector"] == labels.selector("helper-canary")
    assert service["ports"][0]["targetPort"] == "facade"
    assert "clusterIP" not in service
    assert not split.selects_both
    del idle["spec"]["rollout"]["trafficRouting"]
    split.cluster.put(idle)
    await split.bed.step()
    assert "helper-candidate" not in split.cluster.names(SERVICE)


async def test_the_route_of_the_agent_itself_is_rendered_with_the_weights() -> None:
    expose = {"hostnames": ["shop.example.com"], "httpRoute": {"parentRefs": [{"name": "public"}]}}
    routing = {"gatewayAPI": {"httpRoute": {"name": "helper"}}}
    change = {"facade": {"type": "websocket", "expose": expose}}
    split = Split(routing, change=change)
    await split.until_paused()

    def backends() -> list[tuple[str, int]]:
        (rule,) = split.cluster.live(HTTP_ROUTE)["spec"]["rules"]
        return [(each["name"], each["weight"]) for each in rule["backendRefs"]]

    assert backends() == [("helper", 90), ("helper-candidate", 10)]
    assert split.condition() == "True: WeightsSet"
    assert "edit HTTPRoute helper" not in split.cluster.writes
    split.bed.ask("abort 1")
    await split.bed.until("Idle")
    await split.bed.step()
    assert backends() == [("helper", 100), ("helper-candidate", 0)]
    assert candidate_objects(split.cluster) == []


async def test_an_api_server_that_does_not_answer_is_no_missing_object() -> None:
    split = Split(ISTIO, *mesh())
    await split.until_paused()
    before = split.bed.rollout
    split.cluster.forbidden["read", VIRTUAL_SERVICE] = unavailable()
    with pytest.raises(ClusterError):
        await split.bed.step()
    assert split.bed.rollout == before


def test_the_pages_name_every_reason_of_the_condition() -> None:
    reasons = {
        value for name, value in vars(traffic).items() if name.isupper() and isinstance(value, str)
    }
    assert len(reasons) == 11
    docs = objects.DATA.parents[2] / "docs"
    for page in ("reference/conditions.md", "how-to/troubleshooting.md"):
        text = (docs / page).read_text(encoding="utf-8")
        assert [each for each in sorted(reasons) if f"`{each}`" not in text] == []
