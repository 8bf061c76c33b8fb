"""The sessions of the handlers that need no runtime."""

import pytest

from omnia_facade.backend.port import Resume
from omnia_facade.turns.local import AnnouncedSessions


@pytest.mark.parametrize(
    ("begun_by", "user", "expected"),
    [
        ("ann", "ann", Resume.RESUMABLE),
        ("ann", "bob", Resume.NOT_FOUND),
        ("ann", "", Resume.NOT_FOUND),
        ("", "bob", Resume.RESUMABLE),
    ],
)
def test_an_announced_session_is_known_to_its_user(
    begun_by: str, user: str, expected: Resume
) -> None:
    sessions = AnnouncedSessions()
    sessions.add("s", begun_by)
    assert sessions.probe("s", user) is expected


def test_the_oldest_sessions_are_forgotten_first() -> None:
    sessions = AnnouncedSessions(limit=2)
    for name in "abc":
        sessions.add(name, "")
    assert [sessions.probe(name, "") for name in "abc"] == [
        Resume.NOT_FOUND,
        Resume.RESUMABLE,
        Resume.RESUMABLE,
    ]
