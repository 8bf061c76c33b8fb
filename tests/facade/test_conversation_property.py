"""Whatever comes, in whatever order: nothing raises, no turn leaks, frames keep their order."""

from typing import Any

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from omnia_facade.turns.events import Chunk, Done, Failed, ToolCall, ToolResult
from omnia_facade.turns.handler import Resume
from omnia_facade.ws.client_tools import ClearDeadline, SetDeadline
from omnia_facade.ws.conversation import MAX_WAITING, Conversation
from omnia_facade.ws.effects import (
    Abandon,
    Close,
    Effect,
    Probe,
    Send,
    StartTurn,
)
from omnia_facade.ws.messages import parse

CALLS = st.sampled_from(["c1", "c2"])
EVENTS = st.one_of(
    st.builds(Chunk, st.text(max_size=3)),
    st.builds(ToolCall, CALLS, st.just("t"), by_client=st.booleans()),
    st.builds(ToolResult, CALLS, st.just("1"), is_error=st.booleans()),
    st.builds(Done, st.text(max_size=3)),
    st.builds(Failed, st.just("X"), st.text(max_size=3)),
)


class AnyOrder(RuleBasedStateMachine):
    """Plays client, endpoint and handler at once, fairly or not, and keeps the books."""

    def __init__(self) -> None:
        super().__init__()
        self.talk = Conversation("own")
        self.open = True
        self.turn: int | None = None
        self.probe: str | None = None
        self.timers: set[str] = set()
        self.accepted = 0
        self.ended = 0
        self.do(self.talk.open())

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(data):
                    self.sent(orjson.loads(data))
                case StartTurn(number):
                    assert self.open
                    assert self.turn is None
                    assert self.probe is None
                    self.turn = number
                case Probe(session_id):
                    assert self.turn is None
                    assert self.probe is None
                    self.probe = session_id
                case SetDeadline(call_id):
                    self.timers.add(call_id)
                case ClearDeadline(call_id):
                    self.timers.discard(call_id)
                case Abandon():
                    assert self.turn is not None or self.probe is not None
                    self.turn = self.probe = None
                case Close():
                    assert self.turn is None
                    self.open = False
                case _:
                    assert self.turn is not None

    def sent(self, frame: dict[str, Any]) -> None:
        assert self.open
        if frame["type"] in ("chunk", "tool_call", "tool_result"):
            assert self.turn is not None
        if frame["type"] == "done" or self.ends_item(frame):
            self.ended += 1
            self.turn = None

    def ends_item(self, frame: dict[str, Any]) -> bool:
        return frame["type"] == "error" and frame["error"]["code"] in (
            "X",
            "SESSION_EXPIRED",
            "INTERNAL_ERROR",
        )

    @rule(session_id=st.sampled_from([None, "own", "old", "older"]))
    def message(self, session_id: str | None) -> None:
        body = {"type": "message", "content": "hi", "session_id": session_id}
        effects = self.talk.receive(parse(orjson.dumps(body).decode()))
        refused = [
            each
            for each in effects
            if isinstance(each, Send)
            and orjson.loads(each.data).get("error", {}).get("code")
            in ("RATE_LIMITED", "AGENT_UNAVAILABLE")
        ]
        self.accepted += self.open and not refused
        self.do(effects)

    @rule(kind=st.sampled_from(["tool_result", "tool_call_ack", "tool_call_nack"]), call=CALLS)
    def tool_frame(self, kind: str, call: str) -> None:
        body = {"type": kind, kind: {"call_id": call}}
        self.do(self.talk.receive(parse(orjson.dumps(body).decode())))

    @rule()
    def cancel(self) -> None:
        self.do(self.talk.receive(parse('{"type":"cancel"}')))

    @rule(number=st.integers(0, 4), event=EVENTS)
    def event_of_any_turn(self, number: int, event: Any) -> None:
        self.do(self.talk.event(number, event))

    @rule(event=EVENTS)
    @precondition(lambda self: self.turn is not None)
    def event_of_the_turn(self, event: Any) -> None:
        assert self.turn is not None
        self.do(self.talk.event(self.turn, event))

    @rule(number=st.integers(0, 4))
    def turn_ended(self, number: int) -> None:
        self.do(self.talk.turn_ended(number))

    @rule(resume=st.sampled_from(Resume))
    def probed(self, resume: Resume) -> None:
        self.probe = None
        self.do(self.talk.probed(resume))

    @rule(call=CALLS)
    def deadline(self, call: str) -> None:
        self.timers.discard(call)
        self.do(self.talk.deadline(call))

    @rule()
    def drain(self) -> None:
        self.do(self.talk.drain())

    @rule()
    def disconnect(self) -> None:
        self.do(self.talk.disconnected())
        self.open = False

    @invariant()
    def every_message_ends_once_and_waits_its_turn(self) -> None:
        assert self.ended <= self.accepted
        if self.open:
            assert self.accepted - self.ended <= MAX_WAITING + 1
            assert self.talk.busy == (self.accepted > self.ended)

    @invariant()
    def nothing_outlives_the_turn_or_the_connection(self) -> None:
        if self.turn is None:
            assert not self.timers
        if not self.open:
            assert not self.talk.busy


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
