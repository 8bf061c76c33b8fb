"""The queue of one connection: its bounds, its order, and what it announces."""

import orjson
import pytest

from omnia_facade.backend.events import CallRequest, TurnRequest
from omnia_facade.backend.port import Resume
from omnia_facade.ws.effects import (
    Abandon,
    Close,
    DropAudio,
    Effect,
    ProbeSession,
    Send,
    StartCall,
    StartTurn,
)
from omnia_facade.ws.messages import FrameRefused
from omnia_facade.ws.turn_queue import MAX_WAITING_BYTES, Phase, QueueEntry, TurnQueue
from omnia_facade.ws.voice import CallAudioState


def queue() -> TurnQueue:
    made = TurnQueue("s", binary=False)
    made.open()
    return made


def entry(size: int = 0, session: str = "s", *, named: bool = True) -> QueueEntry:
    return QueueEntry(session, TurnRequest(session, "hi"), size, named=named)


def call(session: str = "s") -> QueueEntry:
    return QueueEntry(session, CallRequest(session))


def sent(effects: list[Effect]) -> list[dict[str, object]]:
    return [orjson.loads(each.data) for each in effects if isinstance(each, Send)]


def resumed(connected: dict[str, object]) -> bool:
    body = connected["connected"]
    assert isinstance(body, dict)
    return bool(body.get("resumed"))


DONE = b'{"type":"done"}'


def test_eight_messages_may_wait_behind_the_one_in_progress() -> None:
    made = queue()
    for number in range(9):
        assert bool(made.add(entry())) is (number == 0)
    with pytest.raises(FrameRefused, match="8 messages are waiting already; send the message"):
        made.add(entry())
    assert (made.number, made.phase) == (1, Phase.RUNNING)
    made.end(DONE)
    made.add(entry())
    with pytest.raises(FrameRefused):
        made.add(entry())


def test_the_bytes_that_wait_are_bounded_and_a_message_by_itself_is_not() -> None:
    made = queue()
    made.add(entry(7))
    made.add(entry(MAX_WAITING_BYTES - 1))
    made.add(entry(1))
    assert made.unanswered_bytes == MAX_WAITING_BYTES + 7
    with pytest.raises(FrameRefused) as caught:
        made.add(entry(1))
    assert caught.value.message.startswith(
        f"the messages that are waiting have {MAX_WAITING_BYTES} bytes; together with this one they"
        f" would have more than {MAX_WAITING_BYTES}"
    )
    made.end(DONE)
    assert made.unanswered_bytes == MAX_WAITING_BYTES
    made.end(DONE)
    assert made.unanswered_bytes == 1
    made.add(entry(MAX_WAITING_BYTES + 1))
    made.end(DONE)
    made.close()
    assert made.unanswered_bytes == 0


def test_turns_are_numbered_from_one_and_run_one_after_another() -> None:
    made = queue()
    (first,) = made.add(entry())
    assert isinstance(first, StartTurn)
    assert made.add(entry()) == []
    frame, second = made.end(DONE)
    assert frame == Send(DONE)
    assert isinstance(second, StartTurn)
    assert (first.number, second.number) == (1, 2)
    assert made.end(DONE) == [Send(DONE)]
    assert made.phase is Phase.IDLE


def test_a_call_begins_only_when_nothing_is_under_way() -> None:
    made = queue()
    made.require_idle()
    made.resume("old")
    made.require_idle()
    made.add(entry())
    with pytest.raises(FrameRefused, match="a call begins when nothing else is under way"):
        made.require_idle()
    made.probed(Resume.RESUMABLE)
    with pytest.raises(FrameRefused):
        made.require_idle()
    made.end(DONE)
    made.require_idle()
    (effect,) = made.add(call())
    assert isinstance(effect, StartCall)
    with pytest.raises(FrameRefused):
        made.require_idle()


def test_a_cancel_is_for_the_next_message_while_a_session_is_resumed() -> None:
    made = queue()
    assert made.cancellable is None
    made.resume("old")
    assert made.cancellable is None
    waiting = entry()
    made.add(waiting)
    assert made.cancellable is waiting
    waiting.cancelled = True
    effects = made.probed(Resume.RESUMABLE)
    connected, done = sent(effects)
    assert (connected["type"], connected["session_id"]) == ("connected", "old")
    assert (done["type"], done["finish_reason"]) == ("done", "cancelled")
    assert len(effects) == 2
    running = entry()
    made.add(running)
    assert made.cancellable is running


@pytest.mark.parametrize(
    ("resume", "code", "words"),
    [
        (Resume.NOT_FOUND, "SESSION_EXPIRED", "is unknown or has expired; a message without"),
        (Resume.UNAVAILABLE, "INTERNAL_ERROR", "cannot be looked up at present; try again"),
    ],
)
def test_a_session_that_cannot_be_resumed_is_told(resume: Resume, code: str, words: str) -> None:
    made = queue()
    assert made.resume("old") == [ProbeSession("old")]
    assert made.unanswered_bytes == 0
    assert made.sessions.current == "old"
    (error,) = sent(made.probed(resume))
    assert (error["session_id"], made.phase) == ("old", Phase.IDLE)
    assert words in str(error)
    assert code in str(error)
    expired = resume is Resume.NOT_FOUND
    assert (made.sessions.current, made.sessions.expired) == (
        ("s", True) if expired else ("old", False)
    )
    assert made.probed(Resume.RESUMABLE) == []


def test_a_session_of_another_message_stays_the_current_one() -> None:
    made = queue()
    made.add(entry(session="old"))
    made.probed(Resume.NOT_FOUND)
    assert made.sessions.current == "s"
    made.sessions.current = "third"
    made.add(entry(session="old"))
    made.probed(Resume.NOT_FOUND)
    assert made.sessions.current == "third"


def test_after_an_expired_session_an_unnamed_message_announces_its_own() -> None:
    made = queue()
    made.resume("old")
    made.probed(Resume.NOT_FOUND)
    start = made.add(entry())
    assert sent(start) == []
    made.end(DONE)
    effects = made.add(entry(named=False))
    (connected,) = sent(effects)
    assert (connected["session_id"], resumed(connected)) == ("s", False)
    assert isinstance(effects[1], StartTurn)
    assert not made.sessions.expired
    made.end(DONE)
    assert sent(made.add(entry(named=False))) == []


@pytest.mark.parametrize("binary", [True, False])
def test_a_resumed_session_may_be_the_one_that_is_announced_again(*, binary: bool) -> None:
    made = TurnQueue("s", binary=binary)
    made.open()
    made.resume("old")
    frames = sent(made.probed(Resume.RESUMABLE))
    made.resume("gone")
    made.probed(Resume.NOT_FOUND)
    frames += sent(made.add(entry(session="old", named=False)))
    assert [(frame["session_id"], resumed(frame)) for frame in frames] == [("old", True)] * 2
    for frame in frames:
        body = frame["connected"]
        assert isinstance(body, dict)
        assert body["capabilities"]["binary_frames"] is binary


def test_a_resumed_session_is_announced_once_and_is_the_current_one() -> None:
    made = queue()
    effects = made.add(entry(session="old"))
    assert effects == [ProbeSession("old")]
    assert made.phase is Phase.PROBING
    effects = made.probed(Resume.RESUMABLE)
    (connected,) = sent(effects)
    assert (connected["type"], connected["session_id"]) == ("connected", "old")
    assert resumed(connected)
    assert isinstance(effects[1], StartTurn)
    assert (len(made.sessions), made.sessions.current) == (2, "old")
    assert made.resume("old") == []
    made.end(DONE)
    (start,) = made.add(entry(session="old"))
    assert isinstance(start, StartTurn)


def test_a_session_that_is_resumed_takes_the_place_of_an_expired_one() -> None:
    made = queue()
    for session, resume in (("gone", Resume.NOT_FOUND), ("old", Resume.RESUMABLE)):
        made.resume(session)
        made.probed(resume)
    assert not made.sessions.expired
    assert sent(made.add(entry(session="old", named=False))) == []


def test_an_upload_needs_a_session_of_this_connection() -> None:
    made = queue()
    made.sessions.require("s")
    with pytest.raises(FrameRefused, match='session "old" is not open on this connection'):
        made.sessions.require("old")


def test_draining_answers_what_was_accepted_and_then_closes() -> None:
    made = queue()
    made.add(entry())
    made.add(entry())
    assert made.drain() == []
    with pytest.raises(FrameRefused, match="the server is shutting down; send the message again"):
        made.add(entry())
    _, start = made.end(DONE)
    assert isinstance(start, StartTurn)
    assert made.end(DONE) == [Send(DONE), Close(1001, "server shutdown")]
    assert made.phase is Phase.CLOSED
    assert made.drain() == []
    assert queue().drain() == [Close(1001, "server shutdown")]


def test_the_end_of_a_connection_abandons_what_runs_and_drops_its_audio() -> None:
    made = queue()
    assert made.close() == []
    made = queue()
    made.audio = CallAudioState()
    made.add(call())
    made.add(entry(9))
    assert made.close() == [Abandon(), DropAudio()]
    assert made.unanswered_bytes == 0
    assert (made.current, made.phase, made.cancellable) == (None, Phase.CLOSED, None)
    made = queue()
    made.audio = CallAudioState()
    made.add(call())
    assert made.end(DONE) == [Send(DONE), DropAudio()]
    made.add(entry())
    assert made.end(DONE) == [Send(DONE)]
    waiting = queue()
    waiting.audio = CallAudioState()
    waiting.add(entry())
    waiting.add(call())
    assert waiting.close() == [Abandon(), DropAudio()]
