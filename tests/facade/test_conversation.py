"""The rules of a conversation, without sockets, clocks or runtimes."""

from typing import Any
from unittest.mock import ANY

import orjson
import pytest

from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_facade.backend.events import (
    AudioInput,
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    ToolCallEvent,
    ToolResultEvent,
)
from omnia_facade.backend.port import Resume
from omnia_facade.media.port import UploadRequest
from omnia_facade.ws.binary import BinaryFrame, BinaryMetadata, FrameType
from omnia_facade.ws.client_tools import (
    MAX_SHOWN,
    NOT_ACKNOWLEDGED,
    NOT_ANSWERED,
    ClearDeadline,
    SetDeadline,
)
from omnia_facade.ws.conversation import BROKEN_OFF, WebSocketConversation
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
    StartCall,
    StartTurn,
)
from omnia_facade.ws.messages import parse
from omnia_facade.ws.turn_queue import MAX_WAITING, MAX_WAITING_BYTES

ASK = ToolCallEvent(ToolCall("c", "locate"), by_client=True)


def say(content: str = "hi", session_id: str | None = None) -> Any:
    return parse(
        orjson.dumps({"type": "message", "content": content, "session_id": session_id}).decode()
    )


def frame(frame_type: str, **body: object) -> Any:
    return parse(
        orjson.dumps({"type": frame_type, **({frame_type: body} if body else {})}).decode()
    )


def shown(effects: list[Effect]) -> list[Any]:
    """Sent frames as (type, what matters); other effects as they are."""
    return [_shown(each.data) if isinstance(each, Send) else each for each in effects]


def _shown(data: bytes) -> tuple[Any, ...]:
    value = orjson.loads(data)
    match value["type"]:
        case "connected":
            return "connected", value["session_id"], value["connected"].get("resumed", False)
        case "done":
            return "done", value["content"], value["finish_reason"]
        case "error":
            return "error", value["error"]["code"]
        case "chunk":
            return "chunk", value["content"]
        case other:
            return other, value[other]["id"]


def piece(talk: WebSocketConversation, number: int, text: str) -> Any:
    """Return the frame of a piece of an answer as `shown` does."""
    data = talk.text_frame(number, text)
    assert data
    return _shown(data)


def started(effects: list[Effect]) -> list[tuple[int, str, str]]:
    return [
        (each.number, each.request.session_id, each.request.content)
        for each in effects
        if isinstance(each, StartTurn)
    ]


@pytest.fixture
def talk() -> WebSocketConversation:
    conversation = WebSocketConversation("own")
    assert shown(conversation.open()) == [("connected", "own", False)]
    return conversation


def test_a_message_without_a_session_belongs_to_the_one_announced(
    talk: WebSocketConversation,
) -> None:
    assert started(talk.receive(say())) == [(1, "own", "hi")]


def test_a_turn_is_chunks_and_then_one_done(talk: WebSocketConversation) -> None:
    talk.receive(say())

    assert piece(talk, 1, "a") == ("chunk", "a")
    assert talk.text_frame(1, "") is None
    assert shown(talk.turn_ended(1, Done("a"))) == [("done", "a", "stop")]
    assert shown(talk.turn_ended(1, Done("again"))) == []
    assert talk.text_frame(1, "too late") is None


@pytest.mark.parametrize("answer", [Done("a"), Failed("PROVIDER_ERROR", "no model")])
def test_the_message_that_follows_done_at_once_is_never_refused(
    talk: WebSocketConversation, answer: Done | Failed
) -> None:
    talk.receive(say())
    for _ in range(MAX_WAITING):
        talk.receive(say())

    effects = talk.turn_ended(1, answer)

    assert started(effects) == [(2, "own", "hi")]
    assert shown(talk.receive(say())) == []


def test_a_turn_that_breaks_off_is_an_error(talk: WebSocketConversation) -> None:
    talk.receive(say())

    assert shown(talk.turn_ended(1, BROKEN_OFF)) == [("error", "INTERNAL_ERROR")]


def test_messages_wait_for_the_turn_in_their_order_and_not_too_many(
    talk: WebSocketConversation,
) -> None:
    talk.receive(say("0"))
    for number in range(1, MAX_WAITING + 1):
        assert talk.receive(say(str(number))) == []

    assert shown(talk.receive(say("one too many"))) == [("error", "RATE_LIMITED")]

    for number in range(1, MAX_WAITING + 1):
        effects = talk.turn_ended(number, Done(""))
        assert started(effects) == [(number + 1, "own", str(number))]


@pytest.mark.covers("websocket.md#queue-bytes")
def test_what_waits_has_a_limit_in_bytes_too_and_a_single_message_always_passes(
    talk: WebSocketConversation,
) -> None:
    assert started(talk.receive(say("0"), MAX_WAITING_BYTES)) == [(1, "own", "0")]
    assert talk.receive(say("1"), MAX_WAITING_BYTES - 1) == []
    assert talk.receive(say("2"), 1) == []
    assert shown(talk.receive(say("too much"), 1)) == [("error", "RATE_LIMITED")]

    talk.turn_ended(1, Done(""))
    assert shown(talk.receive(say("too much"), MAX_WAITING_BYTES)) == [("error", "RATE_LIMITED")]
    assert talk.receive(say("3"), MAX_WAITING_BYTES - 1) == []


def test_what_an_older_turn_still_says_is_not_heard(talk: WebSocketConversation) -> None:
    talk.receive(say())
    talk.receive(say())
    talk.turn_ended(1, Done(""))

    assert talk.text_frame(1, "late") is None
    assert piece(talk, 2, "new") == ("chunk", "new")


def test_an_older_session_is_announced_once_before_its_answer(talk: WebSocketConversation) -> None:
    assert talk.receive(say("hi", "old")) == [ProbeSession("old")]

    effects = talk.probed(Resume.RESUMABLE)

    assert shown(effects)[0] == ("connected", "old", True)
    assert started(effects) == [(1, "old", "hi")]
    talk.turn_ended(1, Done(""))
    assert started(talk.receive(say("more", "old"))) == [(2, "old", "more")]
    talk.turn_ended(2, Done(""))
    assert started(talk.receive(say("and more"))) == [(3, "old", "and more")]
    talk.turn_ended(3, Done(""))
    assert started(talk.receive(say("back", "own"))) == [(4, "own", "back")]


@pytest.mark.parametrize(
    ("resume", "code"),
    [(Resume.NOT_FOUND, "SESSION_EXPIRED"), (Resume.UNAVAILABLE, "INTERNAL_ERROR")],
)
def test_a_session_that_cannot_be_resumed_is_an_error_and_its_message_is_dropped(
    talk: WebSocketConversation, resume: Resume, code: str
) -> None:
    talk.receive(say("hi", "old"))

    assert shown(talk.probed(resume)) == [("error", code)]
    assert started(talk.receive(say("afresh"))) == [(1, "own", "afresh")]


def test_the_query_resumes_before_any_message() -> None:
    talk = WebSocketConversation("own")

    assert shown(talk.open("old")) == [("connected", "own", False), ProbeSession("old")]
    assert talk.receive(say("early")) == []
    effects = talk.probed(Resume.RESUMABLE)

    assert shown(effects)[0] == ("connected", "old", True)
    assert started(effects) == [(1, "old", "early")]


def test_an_unknown_session_in_the_query_leaves_the_new_one() -> None:
    talk = WebSocketConversation("own")
    talk.open("old")

    assert shown(talk.probed(Resume.NOT_FOUND)) == [("error", "SESSION_EXPIRED")]
    assert started(talk.receive(say())) == [(1, "own", "hi")]


@pytest.mark.covers("websocket.md#connected-after-expiry")
def test_a_client_that_dropped_an_expired_session_is_told_the_one_it_has(
    talk: WebSocketConversation,
) -> None:
    assert talk.receive(say("first", "gone")) == [ProbeSession("gone")]
    # This one waits behind the other, and belongs to the connection's own session.
    assert talk.receive(say("second")) == []
    effects = talk.probed(Resume.NOT_FOUND)
    assert shown(effects)[:2] == [("error", "SESSION_EXPIRED"), ("connected", "own", False)]
    assert started(effects) == [(1, "own", "second")]
    talk.turn_ended(1, Done(""))
    assert shown(talk.receive(say("third")))[0] == StartTurn(2, ANY, ANY)


def test_a_client_that_names_its_session_needs_no_announcement(talk: WebSocketConversation) -> None:
    talk.receive(say("first", "gone"))
    talk.probed(Resume.NOT_FOUND)
    assert started(talk.receive(say("second", "own"))) == [(1, "own", "second")]
    talk.turn_ended(1, Failed("SESSION_EXPIRED", "gone"))
    assert shown(talk.receive(say("third")))[0] == ("connected", "own", False)


def test_a_session_id_in_the_query_is_checked() -> None:
    effects = WebSocketConversation("own").open("a b")
    assert shown(effects) == [("connected", "own", False), ("error", "INVALID_MESSAGE")]


def test_cancel_stops_the_running_turn_only(talk: WebSocketConversation) -> None:
    talk.receive(say("one"))
    talk.receive(say("two"))

    assert talk.receive(frame("cancel")) == [CancelTurn()]
    assert talk.receive(frame("cancel")) == []
    effects = talk.turn_ended(1, Done("so far", finish_reason="cancelled"))

    assert shown(effects)[0] == ("done", "so far", "cancelled")
    assert started(effects) == [(2, "own", "two")]


def test_cancel_without_a_turn_is_nothing(talk: WebSocketConversation) -> None:
    assert talk.receive(frame("cancel")) == []
    assert talk.receive(frame("hangup")) == []


def test_cancel_while_the_session_is_looked_up_ends_in_done(talk: WebSocketConversation) -> None:
    talk.receive(say("hi", "old"))

    assert talk.receive(frame("cancel")) == []
    assert shown(talk.probed(Resume.RESUMABLE)) == [
        ("connected", "old", True),
        ("done", "", "cancelled"),
    ]


def test_cancel_while_the_query_is_looked_up_means_the_message_that_waits() -> None:
    talk = WebSocketConversation("own")
    talk.open("old")
    talk.receive(say("one"))
    talk.receive(frame("cancel"))

    assert shown(talk.probed(Resume.RESUMABLE)) == [
        ("connected", "old", True),
        ("done", "", "cancelled"),
    ]


def test_a_client_tool_waits_for_an_acknowledgement_and_then_for_the_answer(
    talk: WebSocketConversation,
) -> None:
    talk.receive(say())

    assert shown(talk.turn_event(1, ASK)) == [("tool_call", "c"), SetDeadline("c", 5.0)]
    assert talk.receive(frame("tool_call_ack", call_id="c")) == [SetDeadline("c", 60.0)]
    assert talk.receive(frame("tool_call_ack", call_id="c")) == []
    assert talk.receive(frame("tool_result", call_id="c", result={"a": 1})) == [
        ClearDeadline("c"),
        ClientToolResult("c", '{"a":1}'),
    ]


@pytest.mark.parametrize(
    ("acknowledged", "reason"), [(False, NOT_ACKNOWLEDGED), (True, NOT_ANSWERED)]
)
def test_a_client_tool_that_is_not_answered_in_time_is_rejected(
    talk: WebSocketConversation, acknowledged: bool, reason: str
) -> None:
    talk.receive(say())
    talk.turn_event(1, ASK)
    if acknowledged:
        talk.receive(frame("tool_call_ack", call_id="c"))

    assert talk.deadline_passed("c") == [ClientToolResult("c", rejection=reason)]
    assert talk.deadline_passed("c") == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (frame("tool_call_nack", call_id="c", reason="busy"), "busy"),
        (frame("tool_call_nack", call_id="c"), "client refused the tool call"),
        (frame("tool_result", call_id="c", error="no GPS"), "no GPS"),
    ],
)
def test_a_client_may_refuse_a_tool(talk: WebSocketConversation, answer: Any, reason: str) -> None:
    talk.receive(say())
    talk.turn_event(1, ASK)

    assert talk.receive(answer) == [ClearDeadline("c"), ClientToolResult("c", rejection=reason)]


@pytest.mark.parametrize("frame_type", ["tool_result", "tool_call_nack"])
def test_an_answer_to_no_call_is_an_error(talk: WebSocketConversation, frame_type: str) -> None:
    assert shown(talk.receive(frame(frame_type, call_id="c"))) == [("error", "TOOL_FAILED")]


def test_an_acknowledgement_of_no_call_is_ignored(talk: WebSocketConversation) -> None:
    ack = frame("tool_call_ack", call_id="c")
    assert talk.receive(ack) == []
    talk.receive(say())
    talk.turn_event(1, ASK)
    talk.receive(frame("tool_result", call_id="c", result=1))
    assert talk.receive(ack) == []


def test_the_type_of_a_frame_decides_and_not_what_else_is_in_it(
    talk: WebSocketConversation,
) -> None:
    upload = {"filename": "a.txt", "mime_type": "text/plain", "size_bytes": 1}
    body = {"type": "tool_call_ack", "tool_call_ack": {"call_id": "1"}, "upload_request": upload}
    answer = parse(orjson.dumps(body).decode())
    assert shown(talk.receive(answer)) == []


@pytest.mark.covers("websocket.md#server-tool-answer")
@pytest.mark.parametrize("frame_type", ["tool_result", "tool_call_ack", "tool_call_nack"])
def test_what_the_client_says_about_a_call_of_the_server_is_ignored(
    talk: WebSocketConversation, frame_type: str
) -> None:
    body: dict[str, object] = {"result": 1} if frame_type == "tool_result" else {}
    talk.receive(say())
    talk.turn_event(1, ToolCallEvent(ToolCall("s", "lookup")))
    assert talk.receive(frame(frame_type, call_id="s", **body)) == []
    talk.turn_event(1, ASK)
    talk.turn_ended(1, Done(""))
    assert talk.receive(frame(frame_type, call_id="s", **body)) == []


def test_a_hidden_call_of_the_server_is_unknown() -> None:
    talk = WebSocketConversation("own", show_tools=False)
    talk.receive(say())
    talk.turn_event(1, ToolCallEvent(ToolCall("s", "lookup")))
    assert shown(talk.receive(frame("tool_call_nack", call_id="s"))) == [("error", "TOOL_FAILED")]


def test_a_call_of_the_client_may_have_an_id_that_the_server_used(
    talk: WebSocketConversation,
) -> None:
    talk.receive(say())
    talk.turn_event(1, ToolCallEvent(ToolCall("c", "lookup")))
    talk.turn_event(1, ASK)
    answer = frame("tool_result", call_id="c", result=1)
    assert talk.receive(answer) == [ClearDeadline("c"), ClientToolResult("c", "1")]
    assert talk.receive(answer) == []


def test_not_every_call_of_a_long_connection_is_remembered(talk: WebSocketConversation) -> None:
    talk.receive(say())
    for number in range(MAX_SHOWN + 1):
        talk.turn_event(1, ToolCallEvent(ToolCall(f"s{number}", "lookup")))
    assert shown(talk.receive(frame("tool_call_nack", call_id="s0"))) == [("error", "TOOL_FAILED")]
    assert talk.receive(frame("tool_call_nack", call_id="s1")) == []


def test_the_end_of_the_turn_forgets_its_tools(talk: WebSocketConversation) -> None:
    talk.receive(say())
    talk.turn_event(1, ASK)

    assert ClearDeadline("c") in talk.turn_ended(1, Done(""))
    assert talk.receive(frame("tool_call_ack", call_id="c")) == []
    assert shown(talk.receive(frame("tool_result", call_id="c"))) == [("error", "TOOL_FAILED")]


def test_tools_of_the_runtime_are_shown_unless_they_are_to_be_hidden() -> None:
    for show_tools in (True, False):
        talk = WebSocketConversation("own", show_tools=show_tools)
        talk.receive(say())
        for event in (ToolCallEvent(ToolCall("c", "look")), ToolResultEvent("c", ToolResult("1"))):
            assert bool(talk.turn_event(1, event)) is show_tools
        assert talk.turn_event(1, ASK)


def test_draining_closes_an_idle_connection_at_once(talk: WebSocketConversation) -> None:
    assert talk.drain() == [Close(1001, "server shutdown")]
    assert talk.receive(say()) == []


def test_draining_lets_what_was_accepted_end_and_accepts_no_more(
    talk: WebSocketConversation,
) -> None:
    talk.receive(say("one"))
    talk.receive(say("two"))

    assert talk.drain() == []
    assert shown(talk.receive(say("three"))) == [("error", "AGENT_UNAVAILABLE")]
    assert started(talk.turn_ended(1, Done(""))) == [(2, "own", "two")]
    assert talk.turn_ended(2, Done(""))[1:] == [Close(1001, "server shutdown")]


def test_a_lost_connection_abandons_its_turn(talk: WebSocketConversation) -> None:
    talk.receive(say())
    talk.turn_event(1, ASK)

    assert talk.disconnected() == [ClearDeadline("c"), Abandon()]
    assert talk.disconnected() == []
    assert talk.turn_ended(1, Done("")) == []
    assert talk.receive(say()) == []


UPLOAD = {"filename": "a", "mime_type": "text/plain", "size_bytes": 3}


def test_an_upload_belongs_to_a_session_of_the_connection(talk: WebSocketConversation) -> None:
    assert talk.receive(frame("upload_request", **UPLOAD)) == [
        RequestUpload(UploadRequest("own", "a", "text/plain", 3))
    ]
    other = {"type": "upload_request", "session_id": "other", "upload_request": UPLOAD}
    asked = parse(orjson.dumps(other).decode())
    assert shown(talk.receive(asked)) == [("error", "SESSION_NOT_FOUND")]
    talk.drain()
    assert talk.receive(frame("upload_request", **UPLOAD)) == []


def speak(sequence: int = 0, *, last: bool = False, **about: Any) -> BinaryFrame:
    kind = FrameType.MEDIA_CHUNK
    return BinaryFrame(kind, b"x", sequence, last, metadata=BinaryMetadata(**about))


def calls(effects: list[Effect]) -> list[CallRequest]:
    return [each.request for each in effects if isinstance(each, StartCall)]


def test_the_first_audio_begins_a_call_in_the_session_announced_last(
    talk: WebSocketConversation,
) -> None:
    assert calls(talk.receive_audio(speak())) == [CallRequest("own")]
    assert talk.receive_audio(speak(1)) == [QueueAudio(AudioInput(b"x", 1))]


def test_audio_waits_while_its_session_is_looked_up() -> None:
    talk = WebSocketConversation("own", binary=True)
    talk.open("old")

    assert talk.receive_audio(speak()) == [QueueAudio(AudioInput(b"x", 0))]
    assert talk.receive_audio(speak(1)) == [QueueAudio(AudioInput(b"x", 1))]
    assert calls(talk.probed(Resume.RESUMABLE)) == [CallRequest("old")]


def test_a_call_in_a_session_that_is_gone_is_over(talk: WebSocketConversation) -> None:
    talk.receive_audio(speak(session_id="old"))

    effects = talk.probed(Resume.NOT_FOUND)

    assert shown(effects)[:2] == [("error", "SESSION_EXPIRED"), DropAudio()]
    assert talk.receive_audio(speak(1)) == []


def test_hanging_up_before_the_call_has_begun_cancels_it(talk: WebSocketConversation) -> None:
    talk.receive_audio(speak(session_id="old"))

    assert talk.receive(frame("hangup")) == []
    effects = talk.probed(Resume.RESUMABLE)
    assert shown(effects)[1:] == [("done", "", "cancelled"), DropAudio()]


def test_after_hanging_up_the_next_audio_begins_a_new_call(talk: WebSocketConversation) -> None:
    talk.receive_audio(speak(5))
    assert talk.receive(frame("hangup")) == [HangUp()]
    talk.turn_ended(1, Done(""))

    assert calls(talk.receive_audio(speak(6))) == [CallRequest("own")]


def test_who_speaks_on_after_his_call_broke_off_is_not_heard_until_he_begins_anew(
    talk: WebSocketConversation,
) -> None:
    talk.receive_audio(speak(0))
    talk.receive_audio(speak(1))
    talk.turn_ended(1, Failed("DUPLEX_ERROR", ""))

    assert talk.receive_audio(speak(2)) == []
    assert talk.receive_audio(speak(3)) == []
    assert calls(talk.receive_audio(speak(0))) == [CallRequest("own")]


def test_no_call_begins_while_the_server_shuts_down(talk: WebSocketConversation) -> None:
    talk.receive(say())
    talk.drain()

    assert shown(talk.receive_audio(speak())) == [("error", "AGENT_UNAVAILABLE")]
