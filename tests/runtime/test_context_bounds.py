"""Where exactly the context window begins to cut, and what a request is made of."""

import pytest

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.sessions import Message
from omnia_runtime.agent.context_window import ContextWindow, ContextWindowExceeded, fit_messages
from omnia_runtime.agent.request_builder import ModelContext, OmittedMedia, RequestBuilder
from omnia_runtime.agent.tokens import (
    Calibration,
    estimate_message,
    estimate_output,
    estimate_part,
    estimate_text,
    estimate_tools,
)
from omnia_runtime.ports.model import ChatRequest, OutputSchema, ToolSpec


def of_tokens(count: int, role: str = "user") -> Message:
    """Return a message that is estimated at so many tokens."""
    message = Message(role, "a" * 4 * (count - 4))  # type: ignore[arg-type]
    assert estimate_message(message) == count
    return message


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("abcd", 1),
        ("abcde", 2),
        ("a b\n", 1),
        ("12", 1),
        ("123", 2),
        ("{};:", 2),
        ("今天", 2),
        ("今天天气", 4),
        ("a" * 12, 3),
        ("1" * 12, 6),
        ("é", 1),
        ("abcdefghij12", 4),
        ("ab1", 1),
    ],
)
def test_the_densities_of_the_estimate(text: str, tokens: int) -> None:
    assert estimate_text(text) == tokens


@pytest.mark.parametrize(
    ("kind", "media", "tokens"),
    [
        ("image", Media(data="a" * 9000), 1024),
        ("audio", Media(data="a" * 2000), 3),
        ("audio", Media(data="a" * 2004), 4),
        ("video", Media(data="a" * 3200), 3),
        ("document", Media(data="a" * 160), 3),
        ("document", Media(url="data:,aaa" + "a" * 151), 3),
        ("document", Media(url="https://x/y"), 1024),
        ("text", Media(data="a" * 160), 0),
    ],
)
def test_media_are_estimated_by_their_kind_and_size(kind: str, media: Media, tokens: int) -> None:
    assert estimate_part(Part(kind, media=media)) == tokens


def test_what_surrounds_a_text_is_counted() -> None:
    call = ToolCall("1", "find", "aaaa", opaque="aaaaaaaa")
    assert estimate_message(Message("assistant", "abcd", tool_calls=(call, call))) == 4 + 1 + 2 * 8
    tool = ToolSpec("find", "Finds a thing now", {"a": 1})
    schema = estimate_text('{"a":1}')
    assert estimate_tools([tool, tool]) == 2 * (8 + 1 + estimate_text("Finds a thing now") + schema)
    assert estimate_output(OutputSchema("o", {"a": 1})) == 8 + schema
    assert estimate_output(None) == 0


@pytest.mark.parametrize(
    ("estimate", "reported", "factor"),
    [
        (199, 400, 1.0),
        (200, 300, 1.25),
        (200, 0, 1.0),
        (200, 1, 0.75),
        (200, 9000, 1.5),
    ],
)
def test_only_a_count_that_says_something_changes_the_calibration(
    estimate: int, reported: int, factor: float
) -> None:
    assert Calibration().updated(estimate, reported).factor == factor


def test_a_calibration_rounds_to_the_safe_side() -> None:
    calibration = Calibration(1.5)
    assert (calibration.to_count(3), calibration.to_estimate(5)) == (5, 3)


@pytest.mark.parametrize(
    ("window", "dropped"),
    [(500, 0), (499, 2), (480, 2), (400, 1), (399, 2), (100, 4)],
)
def test_exchanges_are_dropped_in_steps_of_a_quarter(window: int, dropped: int) -> None:
    messages = [of_tokens(100) for _ in range(5)]
    found = fit_messages(messages, 0, ContextWindow(window))
    assert (found.dropped, len(found.messages)) == (dropped, 5 - dropped)
    assert found.tokens == 100 * (5 - dropped)


def test_a_message_that_fills_the_window_fits() -> None:
    window = ContextWindow(150, reserve=30)
    assert fit_messages([of_tokens(100)], 20, window).tokens == 120
    with pytest.raises(ContextWindowExceeded) as caught:
        fit_messages([of_tokens(101)], 20, window)
    assert "take about 20, this turn about 101, and 30 are kept" in caught.value.message


@pytest.mark.parametrize(
    ("count", "window", "wanted"),
    [
        (7, 1000, None),
        (7, 999, range(4)),
        (8, 1000, range(4)),
        (20, 1000, range(7)),
        (1, 100, None),
        (2, 250, range(1)),
    ],
)
def test_a_summary_is_asked_for_above_seven_tenths_and_leaves_four(
    count: int, window: int, wanted: range | None
) -> None:
    messages = [of_tokens(100) for _ in range(count)]
    found = fit_messages(messages, 0, ContextWindow(window, strategy="summarize"))
    assert found.wants_summary == wanted
    assert fit_messages(messages, 0, ContextWindow(window)).wants_summary is None


def test_a_summary_takes_place_from_the_messages() -> None:
    note = Message("summary", "Ada asks.", covers=1)
    messages = [of_tokens(100), note, of_tokens(100)]
    found = fit_messages(messages, 10, ContextWindow(1000))
    assert (found.summary, found.messages) == ("Ada asks.", (messages[2],))
    assert found.tokens == 10 + 100 + estimate_text(found.note)
    assert found.note.startswith("Notes of what was said earlier in this conversation. They are a")
    assert found.note.endswith("\n\nAda asks.")


@pytest.mark.parametrize(
    ("first", "covers", "used"), [(0, 1, True), (0, 2, False), (5, 6, True), (5, 7, False)]
)
def test_a_summary_covers_only_what_came_before_it(first: int, covers: int, used: bool) -> None:
    messages = [of_tokens(10), Message("summary", "notes", covers=covers), of_tokens(20)]
    found = fit_messages(messages, 0, ContextWindow(1000), first=first)
    assert (found.summary, len(found.messages)) == (("notes", 1) if used else ("", 2))


def test_of_two_summaries_that_cover_the_same_the_later_is_used() -> None:
    older, newer = (Message("summary", text, covers=1) for text in ("z old", "a new"))
    found = fit_messages([of_tokens(10), older, newer, of_tokens(20)], 0, ContextWindow(1000))
    assert found.summary == "a new"


def test_a_result_is_shortened_only_as_far_as_necessary() -> None:
    call = ToolCall("1", "lookup")
    text = "a" * 4000
    messages = [
        Message("user", "hi"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", text, tool_call_id="1"),
    ]
    whole = sum(map(estimate_message, messages))
    assert fit_messages(messages, 0, ContextWindow(whole)).messages[2].content == text
    window = ContextWindow(whole - 500)
    found = fit_messages(messages, 0, window)
    assert window.tokens - 1 <= found.tokens <= window.tokens
    kept, _, marker = found.messages[2].content.partition("…")
    assert text.startswith(kept)
    assert marker == f" [the first {len(kept):,} of 4,000 characters]"


def test_media_of_a_result_are_named_when_they_are_left_out() -> None:
    image = Part("image", media=Media(url="https://x/y"))
    messages = [
        Message("user", "hi"),
        Message("assistant", tool_calls=(ToolCall("1", "lookup"),)),
        Message("tool", "seen", (image, image), tool_call_id="1"),
    ]
    found = fit_messages(messages, 0, ContextWindow(2000)).messages[2]
    assert found.parts == ()
    assert found.content == "seen\n[2 media left out: the context window is full]"
    assert found.tool_call_id == "1"


def test_a_text_stays_whole_when_the_media_beside_it_were_enough() -> None:
    image = Part("image", media=Media(url="https://x/y"))
    text = "a" * 4000
    marker = "\n[1 media left out: the context window is full]"
    messages = [
        Message("user", "hi"),
        Message("assistant", tool_calls=(ToolCall("1", "lookup"),)),
        Message("tool", text, (image,), tool_call_id="1"),
    ]
    bare = [*messages[:2], Message("tool", text + marker, tool_call_id="1")]
    enough = sum(map(estimate_message, bare))
    found = fit_messages(messages, 0, ContextWindow(enough))
    assert (list(found.messages), found.tokens) == (bare, enough)
    shorter = fit_messages(messages, 0, ContextWindow(enough - 1)).messages[2]
    assert shorter.content.startswith("aaaa")
    assert shorter.content.endswith(f"of {len(text + marker):,} characters]")


# Requests


IMAGE = Part("image", media=Media(url="https://x/y"))
REQUEST = ChatRequest("Be kind.", ())


def test_media_that_are_not_sent_again_are_named_with_the_reason() -> None:
    loaded = Part("image", media=Media(data="aGk="))
    gone = Part("audio", media=Media(url="https://x/z"))
    builder = RequestBuilder(
        ModelContext(None), {IMAGE: loaded, gone: OmittedMedia("it has expired")}
    )
    message = Message("user", "look", (IMAGE, gone))
    built = builder.build(REQUEST, [message, Message("user", "", (gone,))])
    assert built.system == "Be kind."
    assert built.messages == [
        Message("user", "look\n[not shown: audio; it has expired]", (loaded,)),
        Message("user", "[not shown: audio; it has expired]"),
    ]


@pytest.mark.parametrize(("reason", "shown"), [("error", False), ("stop", True)])
def test_media_of_a_turn_that_failed_are_not_sent_again(reason: str, shown: bool) -> None:
    builder = RequestBuilder(ModelContext(None), {})
    asked, plain = Message("user", "look", (IMAGE,)), Message("user", "hi")
    failed = Message("assistant", "", finish_reason=reason)
    again = Message("user", "look again", (IMAGE,))
    built = builder.build(REQUEST, [plain, failed, asked, failed, again])
    hidden = Message("user", "look\n[not shown: image; the turn failed]")
    assert built.messages == [plain, failed, asked if shown else hidden, failed, again]


def test_a_request_has_the_summary_below_its_instructions() -> None:
    context = ModelContext(ContextWindow(1000))
    builder = RequestBuilder(context, {}, first=3)
    messages = [of_tokens(10), Message("summary", "notes", covers=4), of_tokens(20)]
    built = builder.build(REQUEST, messages)
    assert builder.first is not None
    assert built.system == f"Be kind.\n\n{builder.first.note}"
    assert built.messages == [messages[2]]
    first = builder.first
    builder.build(REQUEST, messages[2:])
    assert builder.first is first


def test_the_fixed_part_of_a_request_is_counted_and_calibrated() -> None:
    context = ModelContext(ContextWindow(100_000))
    builder = RequestBuilder(context, {})
    tool, output = ToolSpec("find", "Finds.", {"a": 1}), OutputSchema("o", {"b": 2})
    builder.build(ChatRequest("a" * 800, (), (tool,), output=output), [of_tokens(100)])
    fixed = 200 + estimate_tools([tool]) + estimate_output(output)
    assert builder.first is not None
    assert builder.first.tokens == fixed + 100
    builder.calibrate(Usage(input_tokens=(fixed + 100) * 2))
    assert context.calibration == Calibration(1.5)
    free = ModelContext(None)
    RequestBuilder(free, {}).calibrate(Usage(input_tokens=9000))
    assert free.calibration == Calibration()
