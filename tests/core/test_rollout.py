"""Which side of a rollout answers a session."""

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.errors import ConfigurationError
from omnia_core.files.placement import BUCKETS, bucket_of
from omnia_core.files.rollout import (
    MAX_CLOCK_DIFFERENCE_MS,
    Schedule,
    on_candidate,
    parse_schedule,
    schedule_text,
    weight_at,
)
from omnia_core.session_ids import began_ms, new_session_id, stamped

NOW = 1_800_000_000_000


def session_at(began: int, number: int = 0) -> str:
    """Return the id of a session that began at a time."""
    return str(uuid.UUID(int=began << 80 | 7 << 76 | 2 << 62 | number))


def schedule(*steps: tuple[int, int], over: bool = False) -> Schedule:
    return Schedule("r", "shop-canary.default.svc:8082", steps=steps, over=over)


def test_a_new_id_is_a_uuid_of_version_7_that_says_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_session_id() for _ in range(100)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 100
    for session_id in made:
        found = uuid.UUID(session_id)
        assert (found.version, found.variant) == (7, uuid.RFC_4122)
        began = began_ms(session_id)
        assert began is not None
        assert before <= began <= after


@given(st.binary(min_size=9, max_size=20))
def test_what_is_stamped_keeps_its_size_and_its_random_part(random: bytes) -> None:
    made = stamped(random)
    assert len(made) == len(random)
    assert made[9:] == random[9:]


@given(
    st.one_of(
        st.text(max_size=40),
        st.uuids(version=4).map(str),
        st.integers(0, 2**40)
        .map(session_at)
        .map(str.upper)
        .filter(lambda each: each.lower() != each),
        st.integers(0, 2**40).map(lambda began: "{" + session_at(began) + "}"),
    )
)
def test_other_ids_say_no_time_and_stay_on_stable(session_id: str) -> None:
    assert began_ms(session_id) is None
    assert not on_candidate(schedule((0, 100)), session_id, "", NOW)


STEPS = st.lists(st.tuples(st.integers(NOW - 1000, NOW), st.integers(0, 100)), max_size=8).map(
    lambda steps: tuple(sorted(steps, key=lambda step: step[0]))
)


@given(STEPS, st.integers(NOW - 2000, NOW), st.integers(0, 2**60))
def test_a_session_is_placed_by_the_weight_of_the_time_at_which_it_began(
    steps: tuple[tuple[int, int], ...], began: int, number: int
) -> None:
    rollout = schedule(*steps)
    session_id = session_at(began, number)
    held = [weight for start, weight in steps if start <= began]
    expected = held[-1] if held else 0
    assert weight_at(rollout, began) == expected
    placed = on_candidate(rollout, session_id, "", NOW)
    assert placed is (bucket_of(session_id) < expected * BUCKETS // 100)
    # A later step moves only those that begin later.
    later = schedule(*steps, (NOW + 1, 100))
    assert on_candidate(later, session_id, "", NOW) is placed


@given(st.text(min_size=1, max_size=20), st.integers(0, 100))
def test_an_affinity_places_every_session_alike(affinity: str, weight: int) -> None:
    rollout = schedule((NOW - 1000, weight))
    sides = {
        on_candidate(rollout, session_at(NOW - 500 + each, each), affinity, NOW)
        for each in range(20)
    }
    assert sides == {bucket_of(affinity) < weight * BUCKETS // 100}


@pytest.mark.parametrize("over", [True, False])
def test_a_rollout_that_is_over_has_no_session(over: bool) -> None:
    assert on_candidate(schedule((0, 100), over=over), session_at(NOW), "", NOW) is not over


@pytest.mark.parametrize(
    ("ahead", "placed"), [(MAX_CLOCK_DIFFERENCE_MS, True), (MAX_CLOCK_DIFFERENCE_MS + 1, False)]
)
def test_an_id_from_the_future_stays_on_stable(ahead: int, placed: bool) -> None:
    assert on_candidate(schedule((0, 100)), session_at(NOW + ahead), "", NOW) is placed


@given(st.integers(0, 100), st.integers(0, 2**40))
def test_a_share_never_moves_a_session_back_as_it_grows(weight: int, number: int) -> None:
    session_id = session_at(NOW, number)
    if on_candidate(schedule((0, weight)), session_id, "", NOW):
        assert on_candidate(schedule((0, min(weight + 7, 100))), session_id, "", NOW)


@given(STEPS, st.booleans(), st.text(max_size=20))
def test_a_schedule_is_read_as_it_was_written(
    steps: tuple[tuple[int, int], ...], over: bool, header: str
) -> None:
    written = Schedule("id", "host:1", header, steps, over)
    assert parse_schedule(schedule_text(written), "rollout.json") == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "rollout.json is not JSON"),
        ('{"id": "a"}', "candidate"),
        ('{"id": "a", "candidate": "b:1", "steps": [[0, 101]]}', "<= 100"),
        ('{"id": "a", "candidate": "b:1", "steps": ' + str([[0, 1]] * 65) + "}", "<= 64"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_schedule(text, "rollout.json")
