"""Whatever is said, in whatever order: a call ends once, and nothing is heard outside of one."""

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from omnia_core.conversation.tools import ToolCall
from omnia_facade.backend.events import (
    AnswerEnded,
    Done,
    Failed,
    Interruption,
    MediaChunk,
    SessionConfig,
    ToolCallEvent,
    Transcript,
    TurnEvent,
)
from omnia_facade.backend.port import Resume
from omnia_facade.ws.binary import BinaryFrame, BinaryMetadata, FrameType
from omnia_facade.ws.client_tools import ClearDeadline, SetDeadline
from omnia_facade.ws.conversation import WebSocketConversation
from omnia_facade.ws.effects import (
    Abandon,
    CancelTurn,
    Close,
    DropAudio,
    Effect,
    HangUp,
    ProbeSession,
    QueueAudio,
    Send,
    SendMedia,
    StartCall,
    StartTurn,
)
from omnia_facade.ws.messages import parse

# What ends everything is seldom done, or little would be seen of the rest.
SELDOM = st.sampled_from([*[False] * 9, True])
EVENTS = st.one_of(
    st.builds(Transcript, st.text(max_size=2), st.just("user")),
    st.builds(
        MediaChunk, st.just("m"), st.integers(0, 3), st.booleans(), st.just(""), st.just(b"")
    ),
    st.builds(Interruption),
    st.builds(SessionConfig, st.just("pcm"), st.just(8000), st.just(1)),
    st.builds(ToolCallEvent, st.just(ToolCall("c", "t")), by_client=st.booleans()),
    st.builds(AnswerEnded, st.just(Done("so far"))),
)


class Calling(RuleBasedStateMachine):
    """Plays client, endpoint and handler at once; what the endpoint would keep is kept here."""

    def __init__(self) -> None:
        super().__init__()
        self.talk = WebSocketConversation("own", binary=True)
        self.open = True
        self.audio: list[int] | None = None
        self.ended_by_client = False
        self.call: int | None = None
        self.turn: int | None = None
        self.probing = False
        self.do(self.talk.open())

    def do(self, effects: list[Effect]) -> None:  # noqa: C901, PLR0912 - a table of effects
        for effect in effects:
            match effect:
                case Send() | SendMedia():
                    assert self.open
                case QueueAudio(audio):
                    assert not self.ended_by_client
                    self.audio = [*(self.audio or []), audio.sequence]
                    self.ended_by_client = audio.is_last
                case ProbeSession():
                    assert not self.probing
                    self.probing = True
                case StartCall(number):
                    assert (self.call, self.turn, self.probing) == (None, None, False)
                    assert self.audio
                    self.call = number
                case StartTurn(number):
                    assert (self.call, self.turn, self.probing) == (None, None, False)
                    self.turn = number
                case HangUp():
                    assert self.call is not None
                    self.ended_by_client = True
                case CancelTurn():
                    assert self.call is not None or self.turn is not None
                case DropAudio():
                    assert self.audio is not None
                    self.audio, self.call, self.ended_by_client = None, None, False
                case Abandon():
                    assert self.probing or self.call is not None or self.turn is not None
                    self.probing, self.turn = False, None
                case Close():
                    self.open = False
                case SetDeadline():
                    assert self.call is not None or self.turn is not None
                case _:
                    assert isinstance(effect, ClearDeadline)

    @rule(sequence=st.integers(0, 3), last=st.booleans())
    def speak(self, sequence: int, last: bool) -> None:
        self.hear(sequence, last, BinaryMetadata())

    @rule(
        sequence=st.integers(0, 3),
        session=st.sampled_from(["own", "old", "a b"]),
        rate=st.sampled_from([None, 8000, 1]),
    )
    def speak_in_a_session(self, sequence: int, session: str, rate: int | None) -> None:
        self.hear(sequence, False, BinaryMetadata(session_id=session, sample_rate=rate))

    def hear(self, sequence: int, last: bool, about: BinaryMetadata) -> None:
        frame = BinaryFrame(FrameType.MEDIA_CHUNK, b"x", sequence, last, metadata=about)
        effects = self.talk.receive_audio(frame)
        assert len([each for each in effects if isinstance(each, QueueAudio)]) <= 1
        self.do(effects)

    @rule(last=st.sampled_from([Done(""), Failed("X", "")]))
    @precondition(lambda self: self.call is not None or self.turn is not None)
    def end(self, last: Done | Failed) -> None:
        number = self.turn if self.call is None else self.call
        assert number is not None
        self.turn = None
        in_call = self.call is not None
        effects = self.talk.turn_ended(number, last)
        assert (DropAudio() in effects) is in_call
        self.do(effects)

    @rule(kind=st.sampled_from(["hangup", "cancel"]))
    def stop(self, kind: str) -> None:
        self.do(self.talk.receive(parse(orjson.dumps({"type": kind}).decode())))

    @rule()
    def say(self) -> None:
        self.do(self.talk.receive(parse('{"type":"message","content":"hi"}')))

    @rule(resume=st.sampled_from(Resume))
    @precondition(lambda self: self.probing)
    def probed(self, resume: Resume) -> None:
        self.probing = False
        self.do(self.talk.probed(resume))

    @rule(event=EVENTS)
    @precondition(lambda self: self.call is not None or self.turn is not None)
    def any_event(self, event: TurnEvent) -> None:
        number = self.turn if self.call is None else self.call
        assert number is not None
        effects = self.talk.turn_event(number, event)
        assert DropAudio() not in effects
        self.do(effects)

    @rule(number=st.integers(0, 3), event=EVENTS)
    @precondition(lambda self: self.call is None and self.turn is None)
    def event_of_what_is_over(self, number: int, event: TurnEvent) -> None:
        assert self.talk.turn_event(number, event) == []

    @rule(number=st.integers(0, 3), last=st.sampled_from([Done(""), Failed("X", "")]))
    @precondition(lambda self: self.call is None and self.turn is None)
    def end_of_what_is_over(self, number: int, last: Done | Failed) -> None:
        assert self.talk.turn_ended(number, last) == []

    @rule(really=SELDOM)
    def drain(self, really: bool) -> None:
        if really:
            self.do(self.talk.drain())

    @rule(really=SELDOM)
    def disconnect(self, really: bool) -> None:
        if really:
            self.do(self.talk.disconnected())
            self.open = False

    @invariant()
    def audio_is_kept_for_a_call_only(self) -> None:
        if self.talk._queue.current is None:
            assert self.audio is None
            assert self.call is None

    @invariant()
    def what_is_heard_belongs_to_one_call(self) -> None:
        if self.call is not None:
            assert self.audio


TestCalling = Calling.TestCase
TestCalling.settings = settings(stateful_step_count=30)
