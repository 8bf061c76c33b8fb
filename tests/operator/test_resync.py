"""What a listing of the whole cluster finds, and what it says of kinds that are not there."""

import asyncio
import json
import types
from collections.abc import Callable

import httpx2
import pytest
from lightkube import AsyncClient
from structlog.testing import capture_logs

from omnia_core.jsonvalue import JsonObject
from omnia_operator import resync as resync_module
from omnia_operator.cluster.client import FIELD_MANAGER, ClusterClient
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    LABELLED,
    PROVIDER,
    SCALED_OBJECT,
    SESSION_RETENTION_POLICY,
    WATCHED,
    ObjectKind,
)
from omnia_operator.cluster.store import Store
from omnia_operator.reconcile.documents import parsed
from omnia_operator.references import ObjectReference
from omnia_operator.resync import Resync
from omnia_operator.scheduling import EventIntake
from omnia_operator.scheduling.liveness import OLDEST, WatchLiveness
from tests.operator import objects
from tests.operator.test_client import SERVER_CONFIG


class Queue:
    """Notes what is queued."""

    def __init__(self) -> None:
        self.items: list[tuple[ObjectReference, float]] = []

    def add(self, item: ObjectReference, delay: float = 0.0) -> None:
        self.items.append((item, delay))


class Cluster:
    """An API server with `self.providers` and `self.agents`, and without some kinds."""

    def __init__(self, *missing: ObjectKind, namespaces: tuple[str, ...] = ("one", "two")) -> None:
        self.missing = set(missing)
        self.providers: dict[str, list[str]] = {}
        self.failures: list[int] = []
        self.agents: list[JsonObject] = []
        self.selectors: dict[str, str] = {}
        self.queue = Queue()
        self.now = 0.0
        self.liveness = WatchLiveness(lambda: self.now)
        transport = httpx2.MockTransport(self._answer)
        client = AsyncClient(SERVER_CONFIG, field_manager=FIELD_MANAGER, transport=transport)
        self.store = Store()
        intake = EventIntake(self.store, self.queue)  # type: ignore[arg-type]
        self.resync = Resync(ClusterClient(client), intake, self.liveness, namespaces)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        if self.failures:
            status = self.failures.pop(0)
            return httpx2.Response(status, json={"kind": "Status", "code": status, "message": "no"})
        *_, namespace, plural = request.url.path.split("/")
        self.selectors[plural] = request.url.params.get("labelSelector", "")
        if plural in {each.plural for each in self.missing}:
            return httpx2.Response(404, text="404 page not found\n")
        if plural == PROVIDER.plural:
            return httpx2.Response(200, json=self._listing(namespace))
        items = self.agents if plural == AGENT_RUNTIME.plural else []
        listed = {"metadata": {"resourceVersion": "7"}, "items": items}
        return httpx2.Response(200, content=json.dumps(listed))

    def _listing(self, namespace: str) -> JsonObject:
        found = (
            self.providers.items()
            if namespace == "v1alpha1"
            else [(namespace, self.providers.get(namespace, []))]
        )
        items = [
            {"metadata": {"name": name, "namespace": space, "resourceVersion": "6"}, "spec": {}}
            for space, names in found
            for name in names
        ]
        return {"metadata": {"resourceVersion": "7"}, "items": items}


def provider(namespace: str, name: str) -> ObjectReference:
    return ObjectReference(PROVIDER, (namespace, name))


class Sleeps:
    """Stands for asyncio.sleep: notes the seconds, and ends the program at the last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
        self.seconds: list[float] = []
        self.woken: Callable[[], None] = lambda: None
        self._last = last
        replaced = types.SimpleNamespace(sleep=self._sleep)
        monkeypatch.setattr(resync_module, "asyncio", replaced)

    async def _sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._last:
            raise asyncio.CancelledError
        self.woken()


@pytest.mark.parametrize("namespaces", [("one", "two"), ()], ids=["some", "all"])
async def test_what_a_listing_finds_is_kept_and_queued(namespaces: tuple[str, ...]) -> None:
    cluster = Cluster(namespaces=namespaces)
    cluster.providers = {"one": ["a"], "two": ["b", "c"]}
    await cluster.resync.list_first()

    found = {provider("one", "a"), provider("two", "b"), provider("two", "c")}
    assert {item for item, _ in cluster.queue.items} == found
    assert set(cluster.store.keys(PROVIDER)) == {each.key for each in found}

    cluster.queue.items.clear()
    del cluster.providers["two"][1]
    await cluster.resync.list_all()
    assert set(cluster.store.keys(PROVIDER)) == {("one", "a"), ("two", "b")}


async def test_of_kinds_that_others_have_many_objects_of_only_ours_are_listed() -> None:
    cluster = Cluster()
    await cluster.resync.list_all()

    ours = "app.kubernetes.io/managed-by=omnia-operator"
    assert cluster.selectors == {kind.plural: ours if kind in LABELLED else "" for kind in WATCHED}


async def test_an_api_server_that_does_not_answer_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, sleeps = Cluster(), Sleeps(monkeypatch, last=9)
    cluster.failures = [503] * 7
    with capture_logs() as logs:
        await cluster.resync.list_first()

    assert sleeps.seconds == [1, 2, 4, 8, 16, 30, 30]
    assert [each["event"] for each in logs] == ["the cluster cannot be listed"]
    assert AGENT_RUNTIME.name not in cluster.liveness.dead()


async def test_an_api_server_that_refuses_a_listing_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, sleeps = Cluster(), Sleeps(monkeypatch, last=1)
    cluster.failures = [403]
    with pytest.raises(ClusterError):
        await cluster.resync.list_first()
    assert sleeps.seconds == []


async def test_every_resource_is_queued_again_at_an_interval_whether_or_not_it_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, sleeps = Cluster(), Sleeps(monkeypatch, last=3)
    cluster.providers = {"one": ["a", "b"]}
    failing: list[list[int]] = [[], [403]]

    def woken() -> None:
        cluster.failures = failing.pop(0)
        cluster.queue.items.clear()

    sleeps.woken = woken
    await cluster.resync.list_first()
    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await cluster.resync.run()

    assert sleeps.seconds == [600.0] * 3
    assert cluster.queue.items == [(provider("one", "a"), 0.0), (provider("one", "b"), 150.0)]
    assert [each["event"] for each in logs] == ["the cluster cannot be listed"]


async def test_an_operator_that_is_newer_than_the_definitions_lives_and_says_what_to_do() -> None:
    cluster = Cluster(SESSION_RETENTION_POLICY, SCALED_OBJECT)

    with capture_logs() as logs:
        for _ in range(3):
            await cluster.resync.list_first()

    (said,) = logs
    assert (said["log_level"], said["kind"]) == ("warning", "SessionRetentionPolicy")
    assert said["mend"].endswith("kubectl apply --server-side -f crds")
    cluster.now = OLDEST + 1.0
    assert AGENT_RUNTIME.name in cluster.liveness.dead()
    assert not {"SessionRetentionPolicy", "ScaledObject"} & set(cluster.liveness.dead())


@pytest.mark.parametrize("kind", [SESSION_RETENTION_POLICY, SCALED_OBJECT], ids=str)
async def test_a_kind_that_is_there_has_to_be_watched(kind: ObjectKind) -> None:
    cluster = Cluster(kind)
    await cluster.resync.list_first()

    cluster.missing.clear()
    cluster.now = 600.0
    with capture_logs() as logs:
        await cluster.resync.list_all()
    assert logs == []
    assert kind.name not in cluster.liveness.dead()

    cluster.now += OLDEST + 1.0
    await cluster.resync.list_all()
    assert kind.name in cluster.liveness.dead()
    cluster.liveness.alive(kind)
    assert kind.name not in cluster.liveness.dead()


async def test_without_a_kind_that_every_agent_needs_the_operator_is_not_alive() -> None:
    cluster = Cluster(PROVIDER)
    with capture_logs() as logs:
        await cluster.resync.list_first()

    assert [each["kind"] for each in logs] == ["Provider"]
    cluster.now = OLDEST + 1.0
    assert PROVIDER.name in cluster.liveness.dead()


DEEP: JsonObject = {}
for _ in range(3000):
    DEEP = {"items": DEEP}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (DEEP, "nested deeper than 200 levels"),
        ({"maximum": 10**25}, "belong to functions"),
    ],
    ids=["deep", "long integer"],
)
async def test_an_object_that_no_library_writes_costs_only_itself(
    schema: JsonObject, said: str
) -> None:
    good = objects.agent(name="good")
    bad = objects.agent({"inputSchema": schema}, name="bad")
    cluster = Cluster()
    cluster.agents = [bad, good]

    await cluster.resync.list_first()

    found = cluster.store.get(AGENT_RUNTIME, ("default", "good"))
    assert found is not None
    assert not isinstance(parsed(found), str)
    found = cluster.store.get(AGENT_RUNTIME, ("default", "bad"))
    assert found is not None
    assert said in str(parsed(found))
