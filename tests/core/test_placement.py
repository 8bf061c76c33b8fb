"""Which version of a PromptPack a session begins with."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.errors import ConfigurationError
from omnia_core.files.placement import (
    BUCKETS,
    PLACEMENT_FILE,
    Placement,
    bucket_of,
    file_of,
    folder_content,
    parse_placement,
    place,
    version_of,
)

# A ConfigMap's key (kubernetes.io/docs/concepts/configuration/configmap).
KEY = re.compile(r"[-._a-zA-Z0-9]+")

WEIGHTS = st.integers(0, 100)
SESSIONS = st.text(max_size=60)


def canary(weight: int) -> Placement:
    return Placement("1.0.0", "2.0.0", weight)


@pytest.mark.parametrize(
    ("session", "expected"),
    # Written down, so that no later version places the same sessions differently.
    [("", 8894), ("a", 7913), ("3f1c2b9e-5c1b-4a57-9d1c-0a8a3a3cf0d2", 5373), ("Zoë", 7758)],
)
def test_the_bucket_of_a_session_never_changes(session: str, expected: int) -> None:
    assert bucket_of(session) == expected


@given(SESSIONS, WEIGHTS)
def test_a_session_gets_the_candidate_if_its_bucket_is_below_a_hundred_times_the_weight(
    session: str, weight: int
) -> None:
    expected = "2.0.0" if bucket_of(session) < 100 * weight else "1.0.0"
    assert place(session, canary(weight)) == expected


@pytest.mark.parametrize("weight", [1, 50, 99])
def test_the_first_bucket_above_a_weight_gets_the_stable_version(weight: int) -> None:
    buckets = {bucket_of(str(number)): str(number) for number in range(200_000)}
    assert place(buckets[100 * weight - 1], canary(weight)) == "2.0.0"
    assert place(buckets[100 * weight], canary(weight)) == "1.0.0"


@given(SESSIONS, WEIGHTS, WEIGHTS)
def test_a_growing_weight_moves_sessions_to_the_candidate_only(
    session: str, one: int, other: int
) -> None:
    less, more = sorted((one, other))
    if place(session, canary(less)) == "2.0.0":
        assert place(session, canary(more)) == "2.0.0"


@given(SESSIONS)
def test_no_session_gets_a_candidate_without_weight_and_every_session_one_with_all(
    session: str,
) -> None:
    assert place(session, canary(0)) == "1.0.0"
    assert place(session, canary(100)) == "2.0.0"
    assert place(session, Placement("1.0.0", weight=100)) == "1.0.0"
    assert 0 <= bucket_of(session) < BUCKETS


@pytest.mark.parametrize("weight", range(0, 101, 5))
def test_the_part_of_the_sessions_is_the_weight(weight: int) -> None:
    count = 4000
    got = sum(place(f"session-{n}", canary(weight)) == "2.0.0" for n in range(count))
    assert abs(100 * got / count - weight) <= 2


@pytest.mark.parametrize(
    "version", ["1.0.0", "v1.2.3-rc.1", "2.0.0+build.7", "1.0.0-alpha-b+c-d", "10.20.30"]
)
def test_the_file_of_a_version_is_a_key_of_a_config_map_and_leads_back(version: str) -> None:
    assert KEY.fullmatch(file_of(version))
    assert version_of(file_of(version)) == version


@pytest.mark.parametrize("file", [PLACEMENT_FILE, "..data", "..2026.json", "notes.txt", ""])
def test_other_files_hold_no_version(file: str) -> None:
    assert version_of(file) is None


def test_the_folder_says_which_versions_new_sessions_get() -> None:
    packs = {"1.0.0": "{}", "2.0.0+b": "[]"}
    content = folder_content(Placement("1.0.0", "2.0.0+b", 10), packs)
    assert content == {
        "1.0.0.json": "{}",
        "2.0.0_b.json": "[]",
        "placement.json": '{"stable":"1.0.0","candidate":"2.0.0+b","weight":10}',
    }
    alone = folder_content(Placement("1.0.0"), {})
    assert alone == {"placement.json": '{"stable":"1.0.0"}'}
    assert parse_placement(content[PLACEMENT_FILE], "it") == Placement("1.0.0", "2.0.0+b", 10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "placement.json is not JSON"),
        ("{}", "`stable`"),
        ('{"stable":"1.0.0","weight":101}', r"<= 100 - at `\$.weight`"),
    ],
)
def test_a_wrong_placement_says_where(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        parse_placement(text, "placement.json")
