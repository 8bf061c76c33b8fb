"""Who is asking, as call metadata."""

import pytest

from omnia_facade.auth.principal import ANONYMOUS, Principal
from omnia_facade.runtime_client.client import MAX_CLAIMS, MAX_TOTAL, MAX_VALUE, caller_metadata


def claims(*given: tuple[str, str], role: str = "") -> dict[str, str]:
    found = caller_metadata(Principal("mia", role=role, claims=given))
    return {name.removeprefix("x-omnia-claim-"): value for name, value in found}


def test_nobody_is_told_as_nobody() -> None:
    assert caller_metadata(ANONYMOUS) == ()


def test_the_subject_itself_is_not_told() -> None:
    known = Principal("mia", "edge-trust", "admin", (), "ben", "mia@example.com", "0" * 16)

    assert caller_metadata(known) == (
        ("x-omnia-user-id", "0" * 16),
        ("x-omnia-origin", "edge-trust"),
        ("x-omnia-user-email", "mia@example.com"),
        ("x-omnia-claim-role", "admin"),
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Team", "team"),
        ("https://example.com/tier", "https-example.com-tier"),
        ("bell\r\nx-omnia-origin", "bell-x-omnia-origin"),
        ("picture-bin", "picture_bin"),
        ("größe", "gr-e"),
        ("n" * 100, "n" * 64),
    ],
)
def test_names_of_claims_are_what_metadata_allows(name: str, told: str) -> None:
    assert claims((name, "1")) == {told: "1"}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("a,b", "a,b"),
        ("Mia Müller", "Mia%20M%C3%BCller"),
        ("1\r\nx: 2", "1%0D%0Ax:%202"),
        ("50%", "50%25"),
        ("\udcff", "%3F"),
    ],
)
def test_values_are_ascii(value: str, told: str) -> None:
    assert claims(("a", value)) == {"a": told}


def test_what_has_no_name_or_no_value_is_left_out() -> None:
    assert claims(("", "1"), ("ü", "1"), ("a", "")) == {}


def test_a_value_that_is_too_long_is_left_out_and_not_cut() -> None:
    assert claims(("a", "x" * MAX_VALUE), ("b", "x" * (MAX_VALUE + 1))) == {"a": "x" * MAX_VALUE}


def test_claims_together_have_a_limit() -> None:
    many = claims(*((f"c{number}", "1") for number in range(100)))
    large = claims(*((f"c{number}", "x" * 1000) for number in range(100)))

    assert len(many) == MAX_CLAIMS
    assert 0 < sum(map(len, large.values())) <= MAX_TOTAL


def test_of_two_claims_with_one_name_the_first_counts_and_the_role_is_before_all() -> None:
    assert claims(("role", "admin"), ("A", "1"), ("a", "2"), role="viewer") == {
        "role": "viewer",
        "a": "1",
    }
