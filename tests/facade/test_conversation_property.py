"""Whatever comes, in whatever order: nothing raises, no turn leaks, frames keep their order."""

import json
from typing import Any

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_facade.backend.events import (
    AnswerEnded,
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    Interruption,
    MediaChunk,
    SessionConfig,
    ToolCallEvent,
    ToolResultEvent,
    Transcript,
    TurnRequest,
)
from omnia_facade.backend.port import Resume
from omnia_facade.ws import binary
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
    RequestUpload,
    Send,
    SendMedia,
    StartCall,
    StartTurn,
)
from omnia_facade.ws.messages import KNOWN_TYPES, FrameRefused, parse
from omnia_facade.ws.turn_queue import MAX_WAITING

# What ends everything is seldom done, or little would be seen of the rest.
SELDOM = st.sampled_from([*[False] * 9, True])
CALLS = st.sampled_from(["c1", "c2"])
SESSIONS = st.sampled_from([None, "own", "old", "older"])
ENDS = st.one_of(
    st.builds(Done, st.text(max_size=3)), st.builds(Failed, st.just("X"), st.text(max_size=3))
)
EVENTS = st.one_of(
    st.builds(Transcript, st.text(max_size=3), st.just("user")),
    st.builds(ToolCallEvent, st.builds(ToolCall, CALLS, st.just("t")), by_client=st.booleans()),
    st.builds(ToolResultEvent, CALLS, st.builds(ToolResult, st.just("1"), st.booleans())),
    st.builds(
        MediaChunk,
        st.just("m"),
        st.integers(0, 2),
        st.booleans(),
        st.just("audio/pcm"),
        st.binary(max_size=3),
    ),
    st.just(Interruption()),
    st.just(SessionConfig("pcm", 16_000, 1)),
    st.builds(AnswerEnded, st.builds(Done, st.text(max_size=3))),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), SESSIONS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["call_id", "text", "type", "media", "filename"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


def _json(value: object) -> bytes:
    """Return JSON as another library writes it: with NaN, and with numbers of any size."""
    return json.dumps(value).encode()


# Frames that nearly are messages: a known type, and fields with anything in them.
NEARLY = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(KNOWN_TYPES),
    st.dictionaries(
        st.sampled_from(["content", "parts", "session_id", "metadata", *KNOWN_TYPES]),
        JSON,
        max_size=3,
    ),
)
CONTENT = {"chunk", "transcript", "tool_call", "tool_result", "media_chunk", "interruption"}


class AnyOrder(RuleBasedStateMachine):
    """Plays client, endpoint and handler at once, fairly or not, and keeps the books.

    Attributes:
        job: number and session of the turn or call that runs.
        probe: the session that is looked up.
        accepted, ended: how many messages and calls.
        calling: whether audio of a call is kept.
        by_query: whether the session that is looked up was named by the query.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open = True
        self.draining = False
        self.job: tuple[int, str] | None = None
        self.last = 0
        self.probe: str | None = None
        self.timers: set[str] = set()
        self.announced: set[str] = set()
        self.expired = False
        self.accepted = self.ended = 0
        self.calling = self.by_query = False

    @initialize(
        resume=st.sampled_from([None, "old", "own", "a b", ""]),
        show=st.booleans(),
        frames=st.booleans(),
    )
    def connect(self, resume: str | None, show: bool, frames: bool) -> None:
        self.talk = WebSocketConversation("own", show_tools=show, binary=frames)
        effects = self.talk.open(resume)
        self.by_query = any(isinstance(each, ProbeSession) for each in effects)
        self.accepted += self.by_query
        self.do(effects)
        assert self.announced == {"own"}

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.one(effect)

    def one(self, effect: Effect) -> None:  # noqa: C901 - a table of effects
        match effect:
            case Send(data):
                self.sent(orjson.loads(data))
            case SendMedia():
                assert self.open
                assert self.job is not None
            case StartTurn(number, request) | StartCall(number, request):
                self.started(number, request)
            case ProbeSession(session_id):
                assert self.job is None
                assert self.probe is None
                assert session_id not in self.announced
                self.probe = session_id
            case SetDeadline(call_id):
                self.timers.add(call_id)
            case ClearDeadline(call_id):
                self.timers.discard(call_id)
            case Abandon():
                assert self.job is not None or self.probe is not None
                self.job = self.probe = None
            case Close():
                assert self.open
                assert self.draining
                assert self.job is None
                assert self.accepted == self.ended
                self.open = False
            case QueueAudio():
                assert self.open
            case DropAudio():
                self.calling = False
            case RequestUpload(request):
                assert request.session_id in self.announced
                assert not self.draining
            case CancelTurn() | HangUp() | ClientToolResult():
                assert self.job is not None

    def started(self, number: int, request: TurnRequest | CallRequest) -> None:
        assert self.open
        assert self.job is None
        assert self.probe is None
        assert number > self.last
        assert request.session_id in self.announced
        self.job, self.last = (number, request.session_id), number

    def sent(self, frame: dict[str, Any]) -> None:
        assert self.open
        if frame["type"] == "connected":
            # A session is announced again only to a client that was told that another has expired.
            assert self.expired or frame["session_id"] not in self.announced
            self.expired = False
            self.announced.add(frame["session_id"])
        elif frame["type"] == "error":
            self.expired = self.expired or frame["error"]["code"] == "SESSION_EXPIRED"
        elif frame["type"] in CONTENT:
            assert self.job is not None
            assert frame["session_id"] == self.job[1]

    def told(self, effects: list[Effect], *codes: str) -> bool:
        """Whether the client is sent an error, which has one of these codes."""
        frames = [orjson.loads(each.data) for each in effects if isinstance(each, Send)]
        errors = [frame["error"]["code"] for frame in frames if frame["type"] == "error"]
        assert not errors or errors[0] in codes, errors
        return bool(errors)

    def ends(self, effects: list[Effect], *, silent: bool = False) -> None:
        """Count the last frames of messages that have ended: first that of the one in hand."""
        types = [orjson.loads(each.data)["type"] for each in effects if isinstance(each, Send)]
        assert silent or types[0] in ("done", "error", "connected")
        self.ended += types.count("done") + types.count("error")
        self.do(effects)

    @rule(session_id=SESSIONS)
    def message(self, session_id: str | None) -> None:
        body = {"type": "message", "content": "hi", "session_id": session_id}
        self.text(orjson.dumps(body))

    @rule(kind=st.sampled_from(["tool_result", "tool_call_ack", "tool_call_nack"]), call=CALLS)
    def tool_frame(self, kind: str, call: str) -> None:
        self.text(orjson.dumps({"type": kind, kind: {"call_id": call}}))

    @rule(session_id=SESSIONS)
    def upload(self, session_id: str | None) -> None:
        asked = {"filename": "a.png", "mime_type": "image/png", "size_bytes": 3}
        body = {"type": "upload_request", "upload_request": asked, "session_id": session_id}
        self.text(orjson.dumps(body))

    @rule(kind=st.sampled_from(["cancel", "hangup"]))
    def stop(self, kind: str) -> None:
        self.text(orjson.dumps({"type": kind}))

    @rule(data=st.one_of(st.binary(max_size=20), st.builds(_json, NEARLY)))
    def anything(self, data: bytes) -> None:
        self.text(data)

    def text(self, data: bytes) -> None:
        """Receive a text frame as the endpoint does."""
        try:
            frame = parse(data.decode())
        except UnicodeDecodeError:
            return
        except FrameRefused as refused:
            if self.open:
                self.do(self.talk.refuse(refused))
            return
        effects = self.talk.receive(frame, len(data))
        codes = ("RATE_LIMITED", "AGENT_UNAVAILABLE", "TOOL_FAILED", "SESSION_NOT_FOUND")
        told = self.told(effects, *codes, "INVALID_MESSAGE")
        if frame.type == "message":
            self.accepted += self.open and not told
        self.do(effects)

    @rule(
        sequence=st.integers(0, 3),
        is_last=st.booleans(),
        session_id=SESSIONS,
        rate=st.sampled_from([None, 16_000, 1]),
    )
    def audio(self, sequence: int, is_last: bool, session_id: str | None, rate: int | None) -> None:
        about = BinaryMetadata(session_id=session_id, sample_rate=rate)
        frame = BinaryFrame(FrameType.MEDIA_CHUNK, b"..", sequence, is_last, metadata=about)
        self.frame(binary.encode(frame))

    @rule(data=st.binary(max_size=40))
    def any_frame(self, data: bytes) -> None:
        self.frame(data)

    def frame(self, data: bytes) -> None:
        """Receive a binary frame as the endpoint does."""
        try:
            frame = binary.decode(data)
        except FrameRefused as refused:
            if self.open:
                self.do(self.talk.refuse(refused))
            return
        if frame.type is not FrameType.MEDIA_CHUNK:
            return
        effects = self.talk.receive_audio(frame)
        codes = ("RATE_LIMITED", "AGENT_UNAVAILABLE", "UNSATISFIABLE_FORMAT", "INVALID_MESSAGE")
        self.told(effects, *codes)
        if not self.calling and any(isinstance(each, QueueAudio) for each in effects):
            self.calling = True
            self.accepted += 1
        self.do(effects)

    @rule(number=st.integers(0, 9), event=EVENTS)
    def event_of_any_turn(self, number: int, event: Any) -> None:
        if self.job and self.job[0] == number:
            self.happens(event)
        else:
            assert self.talk.turn_event(number, event) == []

    @rule(number=st.integers(0, 9), text=st.text(max_size=3))
    def text_of_any_turn(self, number: int, text: str) -> None:
        frame = self.talk.text_frame(number, text)
        if self.job and self.job[0] == number and text:
            assert frame
            self.sent(orjson.loads(frame))
        else:
            assert frame is None

    @rule(event=EVENTS)
    @precondition(lambda self: self.job is not None)
    def event_of_the_turn(self, event: Any) -> None:
        self.happens(event)

    @rule(call=CALLS)
    @precondition(lambda self: self.job is not None)
    def tool_of_the_client(self, call: str) -> None:
        self.happens(ToolCallEvent(ToolCall(call, "t"), by_client=True))

    @rule(event=ENDS)
    @precondition(lambda self: self.job is not None)
    def end_of_the_turn(self, event: Any) -> None:
        assert self.job
        self.turn_ended(self.job[0], event)

    def happens(self, event: Any) -> None:
        """Have the turn that runs yield an event."""
        assert self.job
        self.do(self.talk.turn_event(self.job[0], event))

    @rule(number=st.integers(0, 9), event=ENDS)
    def end_of_any_turn(self, number: int, event: Any) -> None:
        self.turn_ended(number, event)

    def turn_ended(self, number: int, event: Any) -> None:
        if self.job and self.job[0] == number:
            self.job = None
            self.ends(self.talk.turn_ended(number, event))
        else:
            assert self.talk.turn_ended(number, event) == []

    @rule(resume=st.sampled_from(Resume))
    def probed(self, resume: Resume) -> None:
        if self.probe is None:
            assert self.talk.probed(resume) == []
            return
        # What the query named is no message: when it is found, nothing ends it but `connected`.
        silent = self.by_query and resume is Resume.RESUMABLE
        self.probe, self.by_query = None, False
        self.ended += silent
        self.ends(self.talk.probed(resume), silent=silent)

    @rule(call=CALLS)
    def deadline(self, call: str) -> None:
        self.timers.discard(call)
        self.do(self.talk.deadline_passed(call))

    @rule(really=SELDOM)
    def drain(self, really: bool) -> None:
        if not really and not self.draining:
            return
        self.draining = True
        self.do(self.talk.drain())

    @rule(really=SELDOM)
    def disconnect(self, really: bool) -> None:
        if not really:
            return
        self.do(self.talk.disconnected())
        self.open = False

    @property
    def busy(self) -> bool:
        """Whether a probe, a turn or a call is in progress."""
        return self.talk._queue.current is not None

    @invariant()
    def every_message_ends_once_and_waits_its_turn(self) -> None:
        assert self.ended <= self.accepted
        if self.open:
            assert self.accepted - self.ended <= MAX_WAITING + 1
            assert self.busy == (self.accepted > self.ended)

    @invariant()
    def nothing_outlives_the_turn_or_the_connection(self) -> None:
        if self.job is None:
            assert not self.timers
        if not self.open:
            assert self.job is None
            assert self.probe is None
            assert not self.busy
            assert not self.calling

    def teardown(self) -> None:
        if hasattr(self, "talk"):
            self.disconnect(really=True)
            self.nothing_outlives_the_turn_or_the_connection()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(stateful_step_count=40)
