"""What of a stored session a client is told: `ReadConversation`."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from omnia_core.conversation.finish_reasons import INTERRUPTED
from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.names import INLINE_VERSION, EvalOutcome
from omnia_core.sessions.audit import EventKind, ProviderCall, RuntimeEvent, ToolExecution
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.records import DeletedMessages, Message, Session, placeholder_result
from omnia_core.sessions.trail import SessionTrail, TurnTrail
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.server.mapping import done_message
from omnia_runtime.server.past import MAX_TURNS, conversation_response
from omnia_runtime.server.trails import MAX_EXPLANATION, TurnRecords
from omnia_runtime.turns.turn import UserTurn

CALL = ToolCall("c1", "look", '{"id":"A-1"}')
ONE = (
    Message("user", "one", user_id="ada", created_at="2026-11-30T10:00:00Z"),
    Message("assistant", "", tool_calls=(CALL,)),
    Message("tool", '{"at":"sea"}', tool_call_id="c1"),
    Message("assistant", "It is at sea.", finish_reason="stop"),
)
TWO = (Message("user", "two"), Message("assistant", "Yes.", finish_reason="stop"))


def said(response: pb.ReadConversationResponse) -> list[tuple[str, str]]:
    return [(each.role, each.content or each.tool_result.result_json) for each in response.messages]


def test_the_last_turns_and_the_number_of_the_earlier_ones() -> None:
    session = Session("s", (*ONE, Message("summary", "of one", covers=4), *TWO), name="Sea")
    response = conversation_response(session, 1, show_tools=True)
    assert said(response) == [("user", "two"), ("assistant", "Yes.")]
    assert (response.earlier_turns, response.session_name) == (1, "Sea")
    assert response.state == pb.RESUME_STATE_RESUMABLE


def test_tools_are_told_where_clients_see_them() -> None:
    session = Session("s", ONE)
    shown = conversation_response(session, 0, show_tools=True)
    assert [message.role for message in shown.messages] == [
        "user", "assistant", "tool", "assistant",
    ]  # fmt: skip
    assert shown.messages[1].tool_calls[0].arguments_json == CALL.arguments
    hidden = conversation_response(session, 0, show_tools=False)
    assert said(hidden) == [("user", "one"), ("assistant", "It is at sea.")]
    assert "A-1" not in str(hidden)


def test_deleted_turns_are_counted_and_the_rest_of_one_is_left_out() -> None:
    deleted = DeletedMessages(messages=6, turns=3)
    session = Session("s", (Message("assistant", "rest of a turn"), *TWO), deleted=deleted)
    response = conversation_response(session, 0, show_tools=True)
    assert said(response) == [("user", "two"), ("assistant", "Yes.")]
    assert response.earlier_turns == 3


def test_the_variables_of_a_message_are_told_where_they_are_kept_and_fit() -> None:
    kept = [Message("user", "a", variables=given) for given in (None, {}, {"plan": "gold"})]
    response = conversation_response(Session("s", (*kept,)), 0, show_tools=False)
    told = [dict(each.variables.values) if each.HasField("variables") else None
            for each in response.messages]  # fmt: skip
    assert told == [None, {}, {"plan": "gold"}]
    long = Message("user", "b", variables={"plan": "x" * 100})
    short = conversation_response(Session("s", (long,)), 0, show_tools=False, characters=50)
    assert not short.messages[0].HasField("variables")


def test_what_was_said_before_the_runtime_died_is_told_without_placeholders() -> None:
    cut = (
        Message("assistant", "so far", tool_calls=(CALL,), finish_reason=INTERRUPTED),
        placeholder_result(CALL),
        Message("assistant", "", finish_reason=INTERRUPTED),
    )
    session = Session("s", (Message("user", "one"),), interrupted=cut)
    assert said(conversation_response(session, 0, show_tools=True)) == [
        ("user", "one"), ("assistant", "so far"),
    ]  # fmt: skip


def test_the_data_of_media_stays_in_the_store() -> None:
    parts = (
        Part("text", text="look"),
        Part("image", media=Media("image/png", data="QUJD")),
        Part("image", media=Media("image/png", url="data:image/png;base64,QUJD")),
        Part("image", media=Media("image/png", url="https://a.example/b.png")),
    )
    session = Session("s", (Message("user", "look", parts=parts),))
    (message,) = conversation_response(session, 0, show_tools=True).messages
    assert "QUJD" not in str(message)
    assert [part.media.url for part in message.parts] == ["", "", "https://a.example/b.png"]


CALLED = ProviderCall("2026-11-30T10:00:00Z", "default", "m-1", "error", "overloaded", 1)
SPOKEN = structs.replace(CALLED, status="success", fault="", first_word_ms=0.0)
FAILED = RuntimeEvent("2026-11-30T10:00:02Z", EventKind.TURN_FAILED, "see http://10.0.0.1/secret")
RETRIED = RuntimeEvent("2026-11-30T10:00:01Z", EventKind.PROVIDER_RETRIED, "default: overloaded")
EXECUTED = ToolExecution("2026-11-30T10:00:01Z", "c1", "look", "crm", "", "success", 3.5)
TRAIL = TurnTrail((CALLED,), (EXECUTED,), (RETRIED, FAILED))
RESULT = EvalResult(
    session="s",
    turn=2,
    at="2026-11-30T10:00:03Z",
    evaluation="polite",
    type="contains",
    trigger="every_turn",
    source="inline",
    outcome=EvalOutcome.FAILED,
    score=0.0,
    passed=False,
    explanation="x" * 5000,
)


def test_each_turn_has_what_is_recorded_of_it() -> None:
    session = Session("s", (*ONE, *TWO))
    trail = SessionTrail(session.length, 2, {1: TRAIL, 2: TurnTrail((SPOKEN,))})
    recorded = TurnRecords(trail, [RESULT])
    both = conversation_response(session, 0, show_tools=True, recorded=recorded)
    assert [(each.turn, len(each.provider_calls)) for each in both.trails] == [(1, 1), (2, 1)]
    silent, spoken = (each.provider_calls[0] for each in both.trails)
    assert [each.HasField("first_word_ms") for each in (silent, spoken)] == [False, True]
    (tool,) = both.trails[0].tool_calls
    assert (tool.call_id, tool.handler, tool.duration_ms) == ("c1", "crm", 3.5)
    (result,) = both.eval_results
    assert (result.turn, result.HasField("score"), result.passed) == (2, True, False)
    assert len(result.explanation) == MAX_EXPLANATION
    last = conversation_response(session, 1, show_tools=True, recorded=recorded)
    assert [each.turn for each in last.trails] == [2]


def test_a_client_that_sees_no_tools_and_no_reasons_is_told_neither() -> None:
    recorded = TurnRecords(SessionTrail(4, 1, {1: TRAIL}))
    response = conversation_response(Session("s", ONE), 0, show_tools=False, recorded=recorded)
    (trail,) = response.trails
    assert (len(trail.tool_calls), len(trail.provider_calls)) == (0, 1)
    assert [each.detail for each in trail.events] == ["default: overloaded", ""]
    assert "secret" not in str(response)


def test_turns_that_were_said_elsewhere_move_the_numbers() -> None:
    session = Session("s", (*TWO, *ONE))
    recorded = TurnRecords(SessionTrail(session.length, 1, {1: TRAIL}))
    response = conversation_response(session, 0, show_tools=True, recorded=recorded)
    assert [each.turn for each in response.trails] == [2]


def test_a_trail_of_another_moment_is_left_out() -> None:
    recorded = TurnRecords(SessionTrail(99, 1, {1: TRAIL}))
    response = conversation_response(Session("s", ONE), 0, show_tools=True, recorded=recorded)
    assert not response.trails


def test_a_message_says_which_version_answered_it() -> None:
    session = Session("s", (Message("user", "one", pack_version="2.1.0", variant="canary"),))
    (message,) = conversation_response(session, 0, show_tools=True).messages
    assert (message.pack_version, message.variant) == ("2.1.0", "canary")


@pytest.mark.covers("websocket.md#pack-version")
def test_clients_see_no_version_of_an_inline_prompt() -> None:
    session = Session("s", (Message("user", "one", pack_version=INLINE_VERSION),))
    (message,) = conversation_response(session, 0, show_tools=True).messages
    assert message.pack_version == ""
    turn = UserTurn("s", "one", (), {}, [], pack_version=INLINE_VERSION)
    assert done_message(turn, "", "stop", Usage()).done.pack_version == ""
    turn.pack_version = "2.1.0"
    assert done_message(turn, "", "stop", Usage()).done.pack_version == "2.1.0"


ROLES = st.sampled_from(["user", "assistant", "tool", "summary"])


def message(role: Literal["user", "assistant", "tool", "summary"], text: str) -> Message:
    return Message(role, text, tool_calls=(CALL,) if role == "assistant" else ())


@given(
    st.lists(st.tuples(ROLES, st.text(max_size=40)), max_size=40),
    st.integers(0, 2 * MAX_TURNS),
    st.integers(1, 300),
    st.booleans(),
)
def test_whatever_was_stored_the_response_is_bounded_and_no_turn_is_lost(
    stored: list[tuple[Literal["user", "assistant", "tool", "summary"], str]],
    last: int,
    room: int,
    show_tools: bool,
) -> None:
    session = Session("s", tuple(message(*each) for each in stored))
    response = conversation_response(session, last, show_tools=show_tools, characters=room)
    turns = sum(role == "user" for role, _ in stored)
    shown = sum(each.role == "user" for each in response.messages)
    assert shown + response.earlier_turns == turns
    assert shown <= (last or MAX_TURNS)
    overhead = 40 * (len(CALL.arguments) + 1)
    assert sum(len(text) for _, text in said(response)) <= room + overhead


@pytest.mark.parametrize("last", [0, 1, MAX_TURNS, 10 * MAX_TURNS])
def test_an_empty_session_has_no_turns(last: int) -> None:
    response = conversation_response(Session("s"), last, show_tools=True)
    assert (said(response), response.earlier_turns) == ([], 0)
