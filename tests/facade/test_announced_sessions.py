"""The sessions of the handlers that need no runtime."""

import pytest

from omnia_core.conversation.listener import TurnListener
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.events import Failed, TurnEvent, TurnRequest
from omnia_facade.backend.port import Resume
from omnia_facade.turns.local import AnnouncedSessions, EchoBackend


class Discarding(TurnListener[TurnEvent]):
    """Listens to nothing."""

    def send_text(self, text: str) -> bool:  # noqa: ARG002 - the port's
        return True

    async def drain(self) -> None:
        """Take more."""

    async def send_event(self, event: TurnEvent) -> None:
        """Drop it."""


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


async def test_a_session_of_another_user_is_not_taken_over() -> None:
    sessions = AnnouncedSessions()
    backend = EchoBackend(sessions)
    backend.begin("s", Principal(user_id="ann"))
    other = backend.begin("s", Principal(user_id="bob"))
    outcome = await other.turn(TurnRequest("s", "hello"), Discarding())
    assert isinstance(outcome, Failed)
    assert outcome.code == "SESSION_EXPIRED"
    assert sessions.probe("s", "ann") is Resume.RESUMABLE
