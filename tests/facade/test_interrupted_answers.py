"""What the store lacks of an answer that its runtime did not end."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.sessions import DeletedMessages, Message, Session
from omnia_facade.backend.events import (
    ClientToolResult,
    ToolCallEvent,
    ToolResultEvent,
    TurnRequest,
)
from omnia_facade.turns.interrupted_answers import CheckpointDecision, decide_checkpoint
from omnia_facade.turns.relayed import (
    MAX_RECORDED,
    InterruptedAnswerOutcome,
    RelayedTurn,
)
from omnia_runtime.turns.turn import close_transcript

NOW = "2026-01-01T00:00:00.000Z"
ASKED = Message("user", "hi", created_at="2025-12-31T23:59:59.000Z")
CLOSED = '{"error":"not finished"}'
Event = str | ToolCallEvent | ToolResultEvent | ClientToolResult


def relayed_of(*events: Event) -> RelayedTurn:
    relayed = RelayedTurn()
    for event in events:
        if isinstance(event, str):
            relayed.texts.append(event)
        else:
            relayed.add(event)
    return relayed


def decided(
    relayed: RelayedTurn, *checkpoint: Message, messages: Sequence[Message] = ()
) -> CheckpointDecision:
    session = Session("s", (*messages, ASKED), checkpoint)
    return decide_checkpoint(session, TurnRequest("s", "hi"), relayed, NOW)


def shapes(messages: Sequence[Message]) -> list[tuple[str, str, str]]:
    return [(each.role, each.content, each.finish_reason or each.tool_call_id) for each in messages]


class Round(Struct, frozen=True):
    """What a model says in one call, and what it is told by the tools that it asks for."""

    said: tuple[str, ...]
    results: tuple[tuple[str, bool], ...]


ROUNDS = st.lists(
    st.builds(
        Round,
        st.lists(st.text(min_size=1, max_size=3), max_size=3).map(tuple),
        st.lists(st.tuples(st.sampled_from(["1", "{}"]), st.booleans()), max_size=3).map(tuple),
    ),
    max_size=4,
)


def played(rounds: Sequence[Round]) -> list[tuple[tuple[Event, ...], list[Message]]]:
    """Play a turn as the runtime does: what it sends, and what it would then store."""
    transcript: list[Message] = []
    said = ""
    steps: list[tuple[tuple[Event, ...], list[Message]]] = []

    def step(*events: Event) -> None:
        steps.append((events, close_transcript(transcript, 0, said, "interrupted")))

    step()
    for number, each in enumerate(rounds):
        for piece in each.said:
            said += piece
            step(piece)
        calls = [ToolCall(f"{number}-{at}", "look") for at, _ in enumerate(each.results)]
        if not calls:
            break
        text = "".join(each.said)
        transcript.append(
            Message("assistant", text, tool_calls=tuple(calls), finish_reason="tool_use")
        )
        step(*(ToolCallEvent(call) for call in calls))
        for call, (content, failed) in zip(calls, each.results, strict=True):
            transcript.append(Message("tool", content, tool_call_id=call.id, is_error=failed))
            step(ToolResultEvent(call.id, ToolResult(content, failed)))
    return steps


def test_what_is_kept_belongs_to_the_length_that_the_session_ever_had() -> None:
    session = Session("s", (ASKED,), (), DeletedMessages(6, 3))
    decided = decide_checkpoint(session, TurnRequest("s", "hi"), relayed_of("Hel"), NOW)
    assert (decided.outcome, decided.length) == (InterruptedAnswerOutcome.STORED, 7)


@given(ROUNDS, st.data())
def test_a_checkpoint_and_what_was_relayed_are_what_the_runtime_would_have_stored(
    rounds: list[Round], data: st.DataObject
) -> None:
    steps = played(rounds)
    stored = data.draw(st.integers(-1, len(steps) - 1))
    seen = data.draw(st.integers(0, len(steps) - 1))
    checkpoint = steps[stored][1] if stored >= 0 else []
    relayed = relayed_of(*(event for events, _ in steps[: seen + 1] for event in events))
    if not relayed:
        return

    found = decided(relayed, *checkpoint)

    if stored >= seen:
        assert found == CheckpointDecision(InterruptedAnswerOutcome.PRESENT)
        return
    assert found.outcome is InterruptedAnswerOutcome.STORED
    assert found.length == 1
    assert all(each.created_at == NOW for each in found.checkpoint)
    assert [structs.replace(each, created_at="") for each in found.checkpoint] == steps[seen][1]


def test_what_the_runtime_knows_of_a_call_is_kept_beside_what_was_said_since() -> None:
    call = ToolCall("1", "look", "{}", opaque="signed")
    known = Message("assistant", "let me see", tool_calls=(call,), created_at="earlier")
    found = decided(
        relayed_of(
            "let me ",
            "see",
            ToolCallEvent(ToolCall("1", "look")),
            ToolResultEvent("1", ToolResult("5")),
            "it is",
            " 5",
        ),
        known,
        Message("tool", CLOSED, tool_call_id="1", is_error=True),
        Message("assistant", "", finish_reason="interrupted"),
    )

    assert found.checkpoint[0] == known
    assert shapes(found.checkpoint[1:]) == [
        ("tool", "5", "1"),
        ("assistant", "it is 5", "interrupted"),
    ]


def test_hidden_calls_are_those_of_the_checkpoint_and_all_text_is_there_once() -> None:
    known = Message("assistant", "let me see", tool_calls=(ToolCall("1", "look"),))
    result = Message("tool", "5", tool_call_id="1")
    cut = Message("assistant", "it", finish_reason="interrupted")
    relayed = relayed_of("let me see", "it", " is 5")

    assert shapes(decided(relayed, known, result, cut).checkpoint)[-1] == (
        "assistant",
        "it is 5",
        "interrupted",
    )
    assert shapes(decided(relayed).checkpoint) == [
        ("assistant", "let me seeit is 5", "interrupted")
    ]


def test_answers_of_the_client_are_kept_and_a_call_without_one_is_closed() -> None:
    calls = [ToolCallEvent(ToolCall(name, name), by_client=True) for name in ("a", "b", "c")]
    found = decided(
        relayed_of(*calls, ClientToolResult("a", '"x"'), ClientToolResult("b", rejection="no"))
    )

    assert shapes(found.checkpoint) == [
        ("assistant", "", "tool_use"),
        ("tool", '"x"', "a"),
        ("tool", '{"error":"no"}', "b"),
        ("tool", CLOSED, "c"),
        ("assistant", "", "interrupted"),
    ]
    assert [each.is_error for each in found.checkpoint[1:4]] == [False, True, True]


def test_an_id_that_a_model_uses_again_is_another_call() -> None:
    known = Message("assistant", "", tool_calls=(ToolCall("0", "look"),))
    result = Message("tool", "1", tool_call_id="0")
    cut = Message("assistant", "", finish_reason="interrupted")
    again = (
        ToolCallEvent(ToolCall("0", "look")),
        ToolResultEvent("0", ToolResult("1")),
        ToolCallEvent(ToolCall("0", "look")),
        ToolResultEvent("0", ToolResult("2")),
    )

    assert shapes(decided(relayed_of(*again), known, result, cut).checkpoint) == [
        ("assistant", "", ""),
        ("tool", "1", "0"),
        ("assistant", "", "tool_use"),
        ("tool", "2", "0"),
        ("assistant", "", "interrupted"),
    ]


def test_a_turn_that_the_runtime_has_ended_itself_is_left_alone() -> None:
    ended = (ASKED, Message("assistant", "Hello", finish_reason="cancelled"))
    summary = Message("summary", "s", covers=1)
    for messages in (ended, (*ended, summary)):
        session = Session("s", messages)
        found = decide_checkpoint(session, TurnRequest("s", "hi"), relayed_of("Hel"), NOW)
        assert found == CheckpointDecision(InterruptedAnswerOutcome.PRESENT)


def test_nothing_is_stored_in_a_session_that_has_gone_on_or_is_not_there() -> None:
    later = Session("s", (ASKED, Message("assistant", "Hel"), Message("user", "other")))
    request, relayed = TurnRequest("s", "hi"), relayed_of("Hello")
    # the user may have sent the same text again while the store was slow
    again = Session("s", (ASKED, Message("user", "hi", created_at="2026-01-01T00:00:01.000Z")))
    for session in (None, Session("s"), later, again):
        found = decide_checkpoint(session, request, relayed, NOW)
        assert (found.outcome, found.checkpoint) == (InterruptedAnswerOutcome.FAILED, ())
        assert found.reason
    other = decided(relayed, Message("assistant", "Good day", finish_reason="interrupted"))
    assert (other.outcome, other.checkpoint) == (InterruptedAnswerOutcome.FAILED, ())


def test_a_message_of_several_parts_is_known_again() -> None:
    parts = (
        Part("text", "look"),
        Part("image", media=Media("image/png", "AA==")),
        Part("text", "!"),
    )
    session = Session("s", (Message("user", "look\n!"),))
    found = decide_checkpoint(session, TurnRequest("s", "", parts), relayed_of("I see"), NOW)
    assert found.outcome is InterruptedAnswerOutcome.STORED


def test_results_that_are_too_much_to_record_are_stored_as_not_finished() -> None:
    big = ToolResult(f'"{"x" * (MAX_RECORDED // 3)}"')
    calls = [ToolCall(f"c{number}", "look") for number in range(4)]
    relayed = relayed_of(
        *(ToolCallEvent(call) for call in calls),
        *(ToolResultEvent(call.id, big) for call in calls),
    )
    assert len(relayed.results) == 2
    *_, third, fourth, rest = decided(relayed).checkpoint
    assert (third.tool_call_id, third.content) == ("c2", CLOSED)
    assert (fourth.tool_call_id, fourth.content) == ("c3", CLOSED)
    assert rest.finish_reason == "interrupted"
