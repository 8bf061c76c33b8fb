"""An API server that is away in the middle of a rollout: nothing is decided, nothing is lost."""

import contextlib
import copy
import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from omnia_core.jsonvalue import JsonObject
from omnia_core.session_ids import new_session_id
from omnia_facade.rollout.files import RolloutFiles
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.kinds import AGENT_RUNTIME, CONFIG_MAP, ObjectKind
from omnia_operator.cluster.manifest import Manifest
from omnia_operator.discovery.egress import Egress
from omnia_operator.resolve import Key
from omnia_operator.rollout.measuring import Measuring
from tests.operator import objects
from tests.operator.answering import Server, answering, series
from tests.operator.cluster import FakeCluster, unavailable
from tests.operator.test_rollout_reconcile import Bed

OUTAGE = dt.timedelta(minutes=2)


class AwayCluster(FakeCluster):
    """A cluster whose API server can be away: what the watches brought is still known."""

    away = False

    def reach(self) -> None:
        if self.away:
            raise unavailable()

    async def read_live(self, kind: ObjectKind, key: Key) -> JsonObject | None:
        self.reach()
        return await super().read_live(kind, key)

    async def secret_values(self, key: Key) -> Mapping[str, str]:
        self.reach()
        return await super().secret_values(key)

    async def apply(self, manifest: Manifest, *, known: bool) -> None:
        self.reach()
        await super().apply(manifest, known=known)

    async def delete(self, kind: ObjectKind, key: Key, uid: str) -> None:
        self.reach()
        await super().delete(kind, key, uid)

    async def annotate(self, kind: ObjectKind, key: Key, annotations: Mapping[str, str]) -> None:
        self.reach()
        await super().annotate(kind, key, annotations)

    async def edit(self, kind: ObjectKind, key: Key, operations: Sequence[JsonObject]) -> None:
        self.reach()
        await super().edit(kind, key, operations)

    async def put_status(self, kind: ObjectKind, key: Key, status: JsonObject) -> None:
        self.reach()
        await super().put_status(kind, key, status)

    async def emit(self, event: JsonObject) -> None:
        self.reach()
        await super().emit(event)


class Outage:
    """A rollout, and an API server that is away for two minutes of it."""

    def __init__(self, steps: list[JsonObject], *resources: JsonObject) -> None:
        self.bed = Bed(steps=steps, rollback={"mode": "automatic"})
        self.cluster = AwayCluster(*self.bed.cluster.objects.values(), *resources)
        self.bed.cluster = self.cluster
        self.cluster.measuring = Measuring(Egress(lambda _: False), patience=10.0)

    async def pass_by(self) -> None:
        """Let the operator try every five seconds. Whatever it wants to do is refused."""
        before = copy.deepcopy(self.cluster.objects)
        events = list(self.cluster.events)
        self.cluster.away = True
        end = self.bed.now + OUTAGE
        while self.bed.now < end:
            with contextlib.suppress(ClusterError):
                await self.bed.step(pods=False)
        self.cluster.away = False
        assert self.cluster.objects == before
        assert self.cluster.events == events

    def events(self, reason: str) -> int:
        return [said for _, said in self.cluster.events].count(reason)


def quality(server: Server, **change: Any) -> JsonObject:
    provider = {"prometheus": {"address": server.url, "query": "errors"}}
    return objects.analysis(objects.metric({"interval": "5s", "provider": provider, **change}))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with answering() as found:
        found.answer = series("0.01")
        yield found


async def measuring(outage: Outage) -> JsonObject:
    for _ in range(20):
        if (await outage.bed.step()).get("reason") == "AnalysisRunning":
            return outage.bed.rollout
    raise AssertionError(outage.bed.rollout)


MEASURED: list[JsonObject] = [
    {"setWeight": 50},
    {"analysis": {"templateName": "quality"}},
    {"setWeight": 100},
]


@pytest.mark.parametrize("duration", ["1m", "10m"])
async def test_a_pause_lasts_as_long_as_it_should_and_no_longer_than_the_outage(
    duration: str, tmp_path: Path
) -> None:
    outage = Outage([{"setWeight": 50}, {"pause": {"duration": duration}}, {"setWeight": 100}])
    bed = outage.bed
    before = copy.deepcopy(await bed.until("Paused"))
    await bed.step()

    # What the pods of stable have mounted places their new sessions without the API server.
    for name, text in outage.cluster.live(CONFIG_MAP, "omnia-helper-rollout")["data"].items():
        (tmp_path / name).write_text(text)
    await outage.pass_by()
    files = RolloutFiles(str(tmp_path))
    placed = {files.other_side(new_session_id(), "") for _ in range(100)}
    assert placed == {"", "helper-canary.default.svc:8082"}

    assert bed.rollout == before
    found = await bed.step()
    if duration == "10m":
        assert (found["phase"], found["currentStep"]) == ("Paused", 1)
        assert found["stepStartTime"] == before["stepStartTime"], "the outage counts as time"
        bed.now += dt.timedelta(minutes=8)
        found = await bed.step()
    assert (found["phase"], found["currentStep"]) == ("Progressing", 2), "within one look"
    await bed.until("Idle")
    assert bed.rollout["last"]["result"] == "Promoted"
    assert outage.events("RolloutPromoted") == 1


async def test_what_is_measured_in_an_outage_decides_nothing(server: Server) -> None:
    outage = Outage(MEASURED, quality(server, count=4))
    before = copy.deepcopy(await measuring(outage))
    server.answer = series("0.9")
    await outage.pass_by()
    assert len(server.requests) > 2, "it was asked meanwhile"
    server.answer = series("0.01")
    found = await outage.bed.step()
    metrics = [each["analysis"]["metrics"][0] for each in (before, found)]
    assert [each["successful"] for each in metrics] == [1, 2], "one new measurement, of now"
    assert found["reason"] == "AnalysisRunning"
    await outage.bed.until("Idle")
    assert outage.bed.rollout["last"]["result"] == "Promoted"


async def test_a_candidate_that_is_bad_is_not_promoted_by_good_answers_in_an_outage(
    server: Server,
) -> None:
    outage = Outage(MEASURED, quality(server, count=4))
    await measuring(outage)
    await outage.pass_by()
    server.answer = series("0.9")
    found = await outage.bed.step()
    assert found["phase"] == "RollingBack", "within one look"
    await outage.bed.until("Idle")
    assert outage.bed.rollout["last"]["result"] == "RolledBack"


async def test_the_time_of_an_outage_is_no_time_without_data(server: Server) -> None:
    outage = Outage(MEASURED, quality(server, count=4, noDataTimeout="30s"))
    await measuring(outage)
    server.answer = series()
    await outage.pass_by()
    found = await outage.bed.step()
    assert (found["phase"], found["reason"]) == ("Progressing", "AnalysisRunning")


async def test_a_promotion_in_the_middle_of_an_outage_is_finished_once_after_it() -> None:
    outage = Outage([{"setWeight": 100}])
    bed = outage.bed
    await bed.step()
    await bed.until("Promoting")
    await outage.pass_by()
    await bed.until("Idle")
    assert outage.cluster.writes.count("edit AgentRuntime helper") == 1
    assert outage.cluster.live(AGENT_RUNTIME)["spec"]["promptPackRef"]["version"] == "2.0.0"
    assert outage.events("RolloutPromoted") == 1
