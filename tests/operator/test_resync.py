"""What a listing of the whole cluster finds, and what it says of kinds that are not there."""

import httpx2
import pytest
from lightkube import AsyncClient
from structlog.testing import capture_logs

from omnia_operator.cluster.client import FIELD_MANAGER, ClusterClient
from omnia_operator.cluster.kinds import (
    AGENT_RUNTIME,
    PROVIDER,
    SCALED_OBJECT,
    SESSION_RETENTION_POLICY,
    ObjectKind,
)
from omnia_operator.cluster.store import Store
from omnia_operator.references import ObjectReference
from omnia_operator.resync import Resync
from omnia_operator.scheduling import EventIntake, Requeue, WorkQueues
from omnia_operator.scheduling.liveness import OLDEST, WatchLiveness
from tests.operator.test_client import SERVER_CONFIG


class Cluster:
    """An API server with empty listings, and without some kinds."""

    def __init__(self, *missing: ObjectKind) -> None:
        self.missing = set(missing)
        self.now = 0.0
        self.liveness = WatchLiveness(lambda: self.now)
        transport = httpx2.MockTransport(self._answer)
        client = AsyncClient(SERVER_CONFIG, field_manager=FIELD_MANAGER, transport=transport)
        intake = EventIntake(Store(), WorkQueues(_never))
        self.resync = Resync(ClusterClient(client), intake, self.liveness, ("one", "two"))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        plural = request.url.path.rpartition("/")[2]
        if plural in {each.plural for each in self.missing}:
            return httpx2.Response(404, text="404 page not found\n")
        return httpx2.Response(200, json={"metadata": {"resourceVersion": "7"}, "items": []})


async def _never(item: ObjectReference) -> Requeue:
    raise AssertionError(f"{item} is looked at")


async def test_an_operator_that_is_newer_than_the_definitions_lives_and_says_what_to_do() -> None:
    cluster = Cluster(SESSION_RETENTION_POLICY, SCALED_OBJECT)

    with capture_logs() as logs:
        await cluster.resync.list_first()

    (said,) = logs
    assert (said["log_level"], said["kind"]) == ("warning", "SessionRetentionPolicy")
    assert said["mend"] == "kubectl apply --server-side -f charts/omnia/crds"
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
