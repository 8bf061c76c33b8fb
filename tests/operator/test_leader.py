"""One of several operators holds the Lease."""

import asyncio

import pytest
from structlog.testing import capture_logs

from omnia_core.errors import Code
from omnia_core.jsonvalue import JsonObject
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.leader import Election, LeadershipLost, election
from omnia_operator.leader.lease import (
    DEADLINE_SECONDS,
    LEASE_SECONDS,
    RENEW_SECONDS,
    RETRY_SECONDS,
    LeaseAction,
    LeaseObservation,
    lease_body,
    next_action,
)
from omnia_operator.resolve import Key

KEY = ("omnia-system", "omnia-operator")
TIME = "2026-01-01T00:00:00.000000Z"


def lease(holder: str, version: str = "1", seconds: int = 15) -> JsonObject:
    metadata = {"namespace": KEY[0], "name": KEY[1], "resourceVersion": version}
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds}
    return {"metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("sighting", "now", "expected"),
    [
        (None, 0.0, LeaseAction.ACQUIRE),
        (LeaseObservation("", "1", 15, 0.0), 0.0, LeaseAction.ACQUIRE),
        (LeaseObservation("me", "1", 15, 0.0), 100.0, LeaseAction.RENEW),
        (LeaseObservation("other", "1", 15, 0.0), 14.9, LeaseAction.WAIT),
        (LeaseObservation("other", "1", 15, 0.0), 15.0, LeaseAction.ACQUIRE),
    ],
)
def test_a_lease_is_taken_when_its_holder_is_gone(
    sighting: LeaseObservation | None, now: float, expected: LeaseAction
) -> None:
    assert next_action(sighting, "me", now) is expected


def test_a_lease_counts_from_when_it_last_changed() -> None:
    first = LeaseObservation.of(lease("other"), None, 10.0)
    assert LeaseObservation.of(lease("other"), first, 20.0).since == 10.0
    assert LeaseObservation.of(lease("other", "2"), first, 20.0).since == 20.0


def test_a_lease_says_who_has_it_and_how_often_it_changed_hands() -> None:
    taken = lease_body(lease("other"), KEY, "me", TIME, acquired=True)["spec"]
    kept = lease_body({"metadata": {}, "spec": taken}, KEY, "me", "later", acquired=False)["spec"]
    given = lease_body({"metadata": {}, "spec": kept}, KEY, "", "last", acquired=False)["spec"]

    assert (taken["holderIdentity"], taken["leaseTransitions"]) == ("me", 1)
    assert (kept["acquireTime"], kept["renewTime"], kept["leaseTransitions"]) == (TIME, "later", 1)
    assert (given["holderIdentity"], given["leaseDurationSeconds"]) == ("", 1)


def test_a_lease_that_lacks_something_is_read_with_what_a_new_one_has() -> None:
    bare: JsonObject = {"metadata": {"resourceVersion": "7"}}
    assert LeaseObservation.of(bare, None, 3.0) == LeaseObservation("", "7", 15, 3.0)
    short = LeaseObservation.of(lease("other", seconds=40), None, 0.0)
    assert (short.holder, short.seconds) == ("other", 40)


def test_the_empty_lease_of_the_chart_is_taken_and_stays_the_releases() -> None:
    metadata = {
        "namespace": KEY[0],
        "name": KEY[1],
        "resourceVersion": "7",
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "omnia"},
    }
    made: JsonObject = {"metadata": metadata}
    assert next_action(LeaseObservation.of(made, None, 0.0), "me", 0.0) is LeaseAction.ACQUIRE
    taken = lease_body(made, KEY, "me", TIME, acquired=True)
    assert taken["metadata"] == metadata
    assert taken["spec"]["holderIdentity"] == "me"


def test_the_first_lease_is_whole() -> None:
    assert lease_body(None, KEY, "me", TIME, acquired=True) == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": "omnia-system", "name": "omnia-operator"},
        "spec": {
            "holderIdentity": "me",
            "leaseDurationSeconds": 15,
            "acquireTime": TIME,
            "renewTime": TIME,
            "leaseTransitions": 1,
        },
    }


def test_a_lease_is_replaced_with_the_metadata_that_it_has() -> None:
    old = lease("other", "4")
    old["metadata"] |= {"uid": "u", "managedFields": [{"manager": "other"}]}
    written = lease_body(old, KEY, "me", TIME, acquired=True)["metadata"]
    assert written == {**lease("other", "4")["metadata"], "uid": "u"}


def test_a_holder_stops_before_another_may_start() -> None:
    assert RENEW_SECONDS + DEADLINE_SECONDS <= LEASE_SECONDS
    assert RETRY_SECONDS < RENEW_SECONDS < DEADLINE_SECONDS


class Leases:
    """Keeps one Lease as the API server does."""

    def __init__(self) -> None:
        self.lease: JsonObject | None = None
        self.version = 0
        self.broken = False

    async def get_lease(self, key: Key) -> JsonObject | None:
        assert key == KEY
        self._check()
        return self.lease

    async def put_lease(self, lease: JsonObject) -> JsonObject:
        self._check()
        known = lease["metadata"].get("resourceVersion", "")
        if known != (self.lease or {"metadata": {}})["metadata"].get("resourceVersion", ""):
            raise ClusterError(Code.UNAVAILABLE, "conflict", transient=True)
        self.version += 1
        metadata = {**lease["metadata"], "resourceVersion": str(self.version)}
        self.lease = {**lease, "metadata": metadata}
        return self.lease

    def _check(self) -> None:
        if self.broken:
            raise ClusterError(Code.UNAVAILABLE, "no answer", transient=True)

    @property
    def transitions(self) -> int:
        return int((self.lease or {})["spec"]["leaseTransitions"])

    @property
    def holder(self) -> str:
        return str((self.lease or {}).get("spec", {}).get("holderIdentity"))


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(election, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(election, "DEADLINE_SECONDS", 0.1)


def candidate(leases: Leases, name: str) -> Election:
    return Election(leases, KEY, name, lambda: TIME)


async def test_one_wins_and_the_other_follows_when_the_lease_is_given_back() -> None:
    leases = Leases()
    first, second = candidate(leases, "first"), candidate(leases, "second")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    keeping = asyncio.create_task(first.keep())
    await asyncio.wait({waiting}, timeout=0.1)
    assert not waiting.done()
    assert leases.holder == "first"

    keeping.cancel()
    await asyncio.wait({keeping})
    await first.release()
    async with asyncio.timeout(5):
        await waiting

    # Giving it back is no change of hands.
    assert leases.transitions == 2
    assert leases.holder == "second"
    assert second.leading
    assert not first.leading


async def test_a_holder_that_cannot_renew_stops() -> None:
    leases = Leases()
    first = candidate(leases, "first")
    await first.acquire()
    leases.broken = True

    with pytest.raises(LeadershipLost, match="could not be renewed"):
        async with asyncio.timeout(5):
            await first.keep()


async def test_a_failure_that_lasts_is_logged_once() -> None:
    leases = Leases()
    first = candidate(leases, "first")
    with capture_logs() as lines:
        for broken in (True, True, False, True):
            leases.broken = broken
            await first._step()
    assert [each["error"] for each in lines] == ["no answer", "no answer"]


async def test_a_holder_that_was_replaced_stops() -> None:
    leases = Leases()
    first = candidate(leases, "first")
    await first.acquire()
    leases.lease = lease("second", "99")

    with pytest.raises(LeadershipLost, match="held by second"):
        async with asyncio.timeout(5):
            await first.keep()


async def test_only_ones_own_lease_is_given_back() -> None:
    leases = Leases()
    leases.lease = lease("second")

    await candidate(leases, "first").release()

    assert leases.holder == "second"


async def test_a_lease_that_is_gone_is_not_given_back() -> None:
    leases = Leases()
    await candidate(leases, "first").release()
    assert leases.lease is None


async def test_a_holder_whose_lease_was_given_up_or_deleted_stops() -> None:
    for taken_away, reason in ((lease(""), "held by no operator"), (None, "not be renewed")):
        leases = Leases()
        first = candidate(leases, "first")
        await first.acquire()
        leases.lease = taken_away
        with pytest.raises(LeadershipLost, match=reason):
            async with asyncio.timeout(5):
                await first.keep()
        assert not first.leading
        assert leases.lease == taken_away


async def test_a_lease_is_renewed_at_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    leases = Leases()
    first = candidate(leases, "first")
    await first.acquire()
    monkeypatch.setattr(election, "RENEW_SECONDS", 100.0)
    keeping = asyncio.create_task(first.keep())
    await asyncio.wait({keeping}, timeout=0.1)
    assert (leases.version, first.leading) == (1, True)
    keeping.cancel()
    await asyncio.wait({keeping})

    monkeypatch.setattr(election, "RENEW_SECONDS", 0.001)
    await first.acquire()
    before = leases.version
    keeping = asyncio.create_task(first.keep())
    async with asyncio.timeout(5):
        while leases.version < before + 3:  # noqa: ASYNC110 - bounded above
            await asyncio.sleep(0.001)
    assert first.leading
    assert leases.transitions == 1
    keeping.cancel()
    await asyncio.wait({keeping})
