"""Rates and counts, with a clock that the test holds."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_facade.entrance.capacity import MAX_REFUSED, Admission, Capacity, CountedConnection
from omnia_facade.ws.inbound_limits import (
    REFUSED_BURSTS,
    ConnectionLimits,
    MessageLimit,
    Rate,
    RateDecision,
    Throttle,
    TokenBucket,
)


def test_a_bucket_gives_its_burst_at_once_and_then_what_flows_in() -> None:
    bucket = TokenBucket(Rate(50, 100))
    assert [bucket.take(1, 10.0) for _ in range(101)] == [True] * 100 + [False]
    assert [bucket.take(1, 10.1) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.take(100, 12.1)
    assert not bucket.take(1, 12.1)


def test_a_bucket_gives_no_more_than_its_burst_at_once_ever() -> None:
    bucket = TokenBucket(Rate(2 << 20, 16 << 20))
    assert not bucket.take((16 << 20) + 1, 1e9)
    assert bucket.take(16 << 20, 1e9)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 20)), max_size=50))
def test_nobody_gets_more_than_the_burst_and_the_rate_allow(
    asked: list[tuple[float, float]],
) -> None:
    bucket, now, taken = TokenBucket(Rate(5, 10)), 0.0, 0.0
    for pause, amount in asked:
        now += pause
        taken += amount if bucket.take(amount, now) else 0
        assert taken <= (10 + 5 * now) * (1 + 1e-6)


def test_who_is_slowed_down_sends_what_the_rate_allows() -> None:
    pace = Throttle(Rate(10, 20))
    assert [pace.spend(10, 5.0) for _ in range(3)] == [0, 0, pytest.approx(1)]
    assert pace.spend(5, 6.0) == pytest.approx(0.5)
    assert pace.spend(20, 100.0) == 0


def test_limits_come_from_the_environment_and_are_usable() -> None:
    given = {"OMNIA_AGENT_NAME": "a", "OMNIA_MEDIA_RATE": "1Ki", "OMNIA_WRITE_TIMEOUT": "5s"}
    limits = ConnectionLimits.of(FacadeEnv.parse(given))
    assert (limits.media, limits.write_seconds) == (Rate(1024, 16 << 20), 5.0)
    assert limits.messages == Rate(50, 100)
    assert limits.idle_frames == Rate(1000, 10_000)
    assert limits.binary_frames == Rate(1024, 10_000)
    usual = ConnectionLimits.of(FacadeEnv.parse({"OMNIA_AGENT_NAME": "a"}))
    assert usual == ConnectionLimits()
    with pytest.raises(ConfigurationError, match="OMNIA_MEDIA_RATE"):
        ConnectionLimits.of(FacadeEnv.parse({**given, "OMNIA_MEDIA_RATE": "0"}))


def test_limits_of_frames_rise_with_those_of_messages_and_media() -> None:
    given = {"OMNIA_MESSAGE_RATE": "500", "OMNIA_MEDIA_RATE": "20Mi", "OMNIA_MEDIA_BURST": "1Gi"}
    limits = ConnectionLimits.of(FacadeEnv.parse({"OMNIA_AGENT_NAME": "a", **given}))
    assert limits.idle_frames == Rate(10_000, 10_000)
    assert limits.binary_frames == Rate(10_240, 524_288)


def test_who_sends_a_little_too_fast_is_refused_and_never_cut_off() -> None:
    limit = MessageLimit(Rate(50, 100))
    decisions = [limit.decide(number / 99) for number in range(20_000)]
    assert set(decisions) == {RateDecision.ACCEPT, RateDecision.REFUSE}
    assert 0.5 < decisions.count(RateDecision.ACCEPT) / len(decisions) < 0.52


def test_who_goes_on_hammering_is_cut_off() -> None:
    limit = MessageLimit(Rate(50, 100))
    decisions = [limit.decide(0.0) for _ in range(100 + 100 * REFUSED_BURSTS + 1)]
    assert decisions == (
        [RateDecision.ACCEPT] * 100
        + [RateDecision.REFUSE] * 100 * REFUSED_BURSTS
        + [RateDecision.CLOSE]
    )


def test_connections_beyond_the_limit_are_refused_and_more_are_dropped() -> None:
    capacity = Capacity(limit=2, user_limit=1)
    admissions = [capacity.enter() for _ in range(3 + MAX_REFUSED)]
    assert admissions == [Admission.ADMITTED] * 2 + [Admission.REFUSE_WITH_503] * MAX_REFUSED + [
        Admission.DROP
    ]
    for admission in admissions:
        capacity.leave(admission)
    assert [capacity.enter() for _ in range(3)] == [
        Admission.ADMITTED,
        Admission.ADMITTED,
        Admission.REFUSE_WITH_503,
    ]


def test_each_user_has_its_own_count_and_anonymous_connections_are_not_counted() -> None:
    capacity = Capacity(limit=9, user_limit=2)
    assert [capacity.enter_user(user) for user in ("ann", "ann", "ann", "bob")] == [
        *(True, True, False, True)
    ]
    assert all(capacity.enter_user("") for _ in range(5))
    capacity.leave_user("ann")
    assert [capacity.enter_user("ann") for _ in range(2)] == [True, False]


class Seen(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append(transport)

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return True

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)


@pytest.mark.parametrize("error", [None, ConnectionResetError()])
def test_a_counted_connection_is_handed_everything_and_counted_until_its_end(
    error: Exception | None,
) -> None:
    capacity, seen, transport = Capacity(limit=1, user_limit=1), Seen(), asyncio.Transport()
    capacity.enter()
    capacity.enter_user("ann")
    counted = CountedConnection(seen, capacity, "ann")
    counted.connection_made(transport)
    counted.data_received(b"x")
    counted.pause_writing()
    counted.resume_writing()
    assert counted.eof_received() is True
    assert (capacity.enter(), capacity.enter_user("ann")) == (Admission.REFUSE_WITH_503, False)
    counted.connection_lost(error)
    assert seen.told == [transport, b"x", "pause", "resume", "eof", error]
    assert (capacity.enter(), capacity.enter_user("ann")) == (Admission.ADMITTED, True)
