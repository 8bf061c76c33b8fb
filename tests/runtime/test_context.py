"""What a model is sent of a conversation that outgrows its window."""

import base64
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.errors import Code
from omnia_core.files.providers import ProviderDefaults
from omnia_core.sessions import Message
from omnia_runtime.agent.context_window import (
    ContextWindow,
    ContextWindowExceeded,
    FittedMessages,
    context_window,
    fit_messages,
)
from omnia_runtime.agent.tokens import (
    Calibration,
    estimate_message,
    estimate_messages,
    estimate_output,
    estimate_text,
    estimate_tools,
)
from omnia_runtime.ports.model import OutputSchema, ToolSpec


def said(user: str, answer: str = "Yes.") -> list[Message]:
    return [Message("user", user), Message("assistant", answer)]


def looked_up(user: str, *results: str) -> list[Message]:
    """An exchange with one round of calls; vendors may give the same ids in every round."""
    calls = tuple(ToolCall(str(number), "lookup") for number in range(len(results)))
    answers = [
        Message("tool", text, tool_call_id=str(number)) for number, text in enumerate(results)
    ]
    return [
        Message("user", user),
        Message("assistant", tool_calls=calls),
        *answers,
        Message("assistant", "Found."),
    ]


def summary(text: str, covers: int) -> Message:
    return Message("summary", text, covers=covers)


# -- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("The quick brown fox jumps over the lazy dog.", 9, 13),
        ('{"name":"Ada","age":36}', 8, 13),
        ("今天天气很好我们去公园散步", 9, 18),
        ("Съешь ещё этих мягких французских булок", 12, 28),
        ("word " * 1000, 1000, 1400),
        ("\ud800", 1, 1),
    ],
)
def test_a_text_is_estimated_near_what_tokenizers_count(text: str, least: int, most: int) -> None:
    assert least <= estimate_text(text) <= most


@given(st.text(max_size=200), st.text(max_size=50))
def test_more_text_never_has_fewer_tokens(text: str, more: str) -> None:
    assert (
        estimate_text(text)
        <= estimate_text(text + more)
        <= estimate_text(text) + estimate_text(more)
    )


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        (Message("user", ""), 4),
        (Message("user", "", (Part("text", "four" * 4),)), 8),
        (Message("user", "four" * 4, (Part("text", "four" * 4),)), 8),
        (Message("user", "", (Part("image", media=Media("image/png", url="https://x/y")),)), 1028),
        (Message("user", "", (Part("image", media=Media("image/png", "A" * 9999)),)), 1028),
        (Message("user", "", (Part("audio", media=Media(storage_ref="ab")),)), 1028),
        (Message("user", "", (Part("document", media=Media(data="A" * 4000)),)), 79),
        (Message("user", "", (Part("video", media=Media(url="data:," + "A" * 4000)),)), 8),
        (Message("assistant", tool_calls=(ToolCall("1", "look", '{"a"}', "four"),)), 13),
        (Message("tool", "four" * 4, tool_call_id="1"), 8),
    ],
)
def test_text_media_calls_and_results_of_a_message_count(message: Message, tokens: int) -> None:
    assert estimate_message(message) == tokens


def test_tools_and_the_output_schema_count() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    bare = estimate_tools([ToolSpec("weather", "", {})])
    told = estimate_tools([ToolSpec("weather", "Tells the weather of a city.", schema)])

    assert 0 < bare < told
    assert estimate_tools([]) == estimate_output(None) == 0
    assert estimate_output(OutputSchema("answer", schema)) > estimate_text("object")


@pytest.mark.parametrize(
    ("estimated", "reported", "factor"),
    [(1000, 1200, 1.1), (1000, 800, 0.9), (1000, 90_000, 1.5), (100, 300, 1.0), (1000, 0, 1.0)],
)
def test_a_vendors_count_corrects_the_estimate(
    estimated: int, reported: int, factor: float
) -> None:
    assert Calibration().updated(estimated, reported).factor == pytest.approx(factor)


def test_calls_that_agree_bring_the_calibration_to_the_truth() -> None:
    calibration = Calibration()
    for _ in range(20):
        calibration = calibration.updated(1000, 1300)

    assert abs(calibration.to_count(1000) - 1300) <= 1
    assert calibration.to_estimate(1300) in (999, 1000)


# -- the window -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("defaults", "max_tokens", "window"),
    [
        (ProviderDefaults(), 100, None),
        (ProviderDefaults(context_window=8000), 500, ContextWindow(8000, 500)),
        (ProviderDefaults(context_window=8000), None, ContextWindow(8000, 1000)),
        (ProviderDefaults(context_window=8000, max_tokens=700), None, ContextWindow(8000, 700)),
        (ProviderDefaults(context_window=8000, max_tokens=700), 500, ContextWindow(8000, 500)),
        (ProviderDefaults(context_window=4096), 4096, ContextWindow(4096, 2048)),
        (
            ProviderDefaults(context_window=80, truncation_strategy="summarize"),
            None,
            ContextWindow(80, 10, "summarize"),
        ),
        (
            ProviderDefaults(context_window=80, truncation_strategy="custom"),
            None,
            ContextWindow(80, 10, "sliding"),
        ),
    ],
)
def test_the_window_is_what_the_provider_declares(
    defaults: ProviderDefaults, max_tokens: int | None, window: ContextWindow | None
) -> None:
    assert context_window(defaults, max_tokens) == window


def test_without_a_window_everything_is_sent() -> None:
    talk = [*said("one"), summary("ones", 2), *said("two" * 9999)]
    fitted = fit_messages(talk, 100, None)

    assert fitted.messages == (*talk[:2], *talk[3:])
    assert (fitted.note, fitted.dropped, fitted.wants_summary) == ("", 0, None)


def test_the_oldest_exchanges_go_first_and_whole() -> None:
    talk = [*looked_up("a" * 400, "1", "2"), *said("b" * 400), *said("c" * 400)]
    room = estimate_messages(talk) - 1
    fitted = fit_messages(talk, 50, ContextWindow(room + 60, reserve=10))

    assert fitted.messages == tuple(talk[5:])
    assert fitted.dropped == 5
    assert fitted.tokens == 50 + estimate_messages(talk[5:])


def test_what_fits_is_sent_as_it_is() -> None:
    talk = [*looked_up("a", "1"), *said("b")]

    assert fit_messages(talk, 0, ContextWindow(estimate_messages(talk))) == FittedMessages(
        tuple(talk), tokens=estimate_messages(talk)
    )


def test_the_beginning_of_the_request_stays_the_same_for_several_turns() -> None:
    talk: list[Message] = []
    beginnings = []
    for number in range(60):
        talk += said(f"{number} " + "x" * 150, "y" * 100)
        beginnings.append(fit_messages(talk, 0, ContextWindow(2000)).messages[0])

    assert len(set(beginnings)) < 10


def test_a_model_that_counts_more_is_sent_less() -> None:
    talk = [*said("a" * 400), *said("b" * 400), *said("c" * 400)]
    window = ContextWindow(estimate_messages(talk))

    assert len(fit_messages(talk, 0, window).messages) == 6
    assert len(fit_messages(talk, 0, window, Calibration(1.1)).messages) == 4


def test_results_of_a_turn_that_is_too_large_are_shortened_the_oldest_first() -> None:
    talk = [*said("before"), *looked_up("now", "x" * 4000, "y" * 4000, "z" * 4000)]
    fitted = fit_messages(talk, 0, ContextWindow(1600))
    _, _, x, y, z, _ = fitted.messages

    assert x.content == "… [the first 0 of 4,000 characters]"
    assert y.content.startswith("yyyy")
    assert y.content.endswith(" of 4,000 characters]")
    assert z.content == "z" * 4000
    assert 1590 <= fitted.tokens <= 1600
    assert talk[4].content == "x" * 4000


def test_media_of_results_go_before_their_text() -> None:
    picture = Part("image", media=Media("image/png", base64.b64encode(b"png").decode()))
    talk = [
        Message("user", "look"),
        Message("assistant", tool_calls=(ToolCall("1", "screen"), ToolCall("2", "screen"))),
        Message("tool", "first", (picture,), tool_call_id="1"),
        Message("tool", "second", (picture,), tool_call_id="2"),
    ]
    *_, first, second = fit_messages(talk, 0, ContextWindow(1500)).messages

    assert first.parts == ()
    assert first.content == "first\n[1 media left out: the context window is full]"
    assert second == talk[-1]


def test_a_message_that_is_too_large_is_refused_with_the_sizes_and_what_to_do() -> None:
    with pytest.raises(ContextWindowExceeded) as refused:
        fit_messages(
            [*said("before"), Message("user", "x" * 4000)], 200, ContextWindow(1100, reserve=100)
        )

    assert refused.value.code is Code.RESOURCE_EXHAUSTED
    assert refused.value.message == (
        "the message does not fit into the model's context window of 1100 tokens: the system prompt"
        " and the tools take about 200, this turn about 1004, and 100 are kept for the answer; send"
        " less, raise contextWindow in the provider's defaults if the model has more, or lower"
        " maxTokens"
    )


# -- pairs of calls and results -------------------------------------------------------------------


def test_a_result_without_its_call_is_left_out_and_a_call_without_result_gets_one() -> None:
    cut = [
        Message("tool", "nobody asked", tool_call_id="0"),
        Message("user", "hi"),
        Message("assistant", tool_calls=(ToolCall("1", "a"), ToolCall("2", "b"))),
        Message("tool", "one", tool_call_id="1"),
        Message("tool", "one again", tool_call_id="1"),
        Message("user", "still there?"),
    ]
    sent = fit_messages(cut, 0, ContextWindow(500)).messages

    assert sent[:3] == (cut[1], cut[2], cut[3])
    assert sent[3] == Message("tool", '{"error":"not finished"}', tool_call_id="2", is_error=True)
    assert sent[4:] == (cut[5],)


def test_a_greeting_before_the_first_message_is_kept() -> None:
    talk = [Message("assistant", "Welcome."), *said("hi")]

    assert fit_messages(talk, 0, ContextWindow(500)).messages == tuple(talk)


# -- summaries ------------------------------------------------------------------------------------


def test_a_summary_stands_for_what_it_covers() -> None:
    talk = [*said("a"), *said("b"), summary("They said a.", 2), *said("c")]
    fitted = fit_messages(talk, 0, ContextWindow(500))

    assert fitted.messages == (*talk[2:4], *talk[5:])
    assert fitted.summary == "They said a."
    assert fitted.note.endswith("They said a.")
    assert fitted.dropped == 0
    assert fitted.tokens == estimate_text(fitted.note) + estimate_messages(fitted.messages)


def test_the_summary_that_covers_most_wins() -> None:
    talk = [*said("a"), summary("a", 2), *said("b"), summary("ab", 5), *said("c")]
    late = [*talk, summary("a again", 2)]

    assert fit_messages(talk, 0, ContextWindow(500)).summary == "ab"
    assert fit_messages(late, 0, ContextWindow(500)).summary == "ab"
    assert fit_messages(late, 0, ContextWindow(500)).messages == tuple(talk[-2:])


def test_an_exchange_that_is_covered_in_part_is_sent_whole() -> None:
    talk = [*said("a"), *looked_up("b", "1"), *said("c"), summary("until the call", 4)]

    assert fit_messages(talk, 0, ContextWindow(500)).messages == tuple(talk[2:-1])


def test_the_last_exchange_is_never_covered() -> None:
    talk = [*said("a"), *said("b"), Message("user", "c"), summary("all", 5)]

    assert fit_messages(talk, 0, ContextWindow(500)).messages == (talk[4],)


@pytest.mark.parametrize(("text", "covers"), [("nothing", 0), ("itself", 5), ("", 4)])
def test_a_summary_that_cannot_be_is_ignored(text: str, covers: int) -> None:
    talk = [*said("a"), *said("b"), summary(text, covers)]

    assert fit_messages(talk, 0, ContextWindow(500)) == fit_messages(
        talk[:4], 0, ContextWindow(500)
    )


def test_a_summary_is_asked_for_before_anything_is_left_out() -> None:
    talk = [message for number in range(8) for message in said("x" * 400, str(number))]
    size = estimate_messages(talk)
    window = ContextWindow(int(size * 1.25), strategy="summarize")
    fitted = fit_messages(talk, 0, window)

    assert fitted.messages == tuple(talk)
    assert fitted.wants_summary == range(8)
    assert (
        fit_messages(talk, 0, ContextWindow(size * 2, strategy="summarize")).wants_summary is None
    )
    assert fit_messages(talk, 0, ContextWindow(int(size * 1.25))).wants_summary is None


def test_the_next_summary_begins_where_the_last_one_ends() -> None:
    talk = [message for number in range(8) for message in said("x" * 400, str(number))]
    window = ContextWindow(int(estimate_messages(talk) * 1.25), strategy="summarize")
    talk = [*talk, summary("the first four", 8)]
    assert fit_messages(talk, 0, window).wants_summary is None

    for number in range(4):
        talk += said("x" * 400, str(number))
    wanted = fit_messages(talk, 0, window).wants_summary
    assert wanted is not None
    assert wanted.start == 8
    assert 9 < wanted.stop < len(talk)


def test_a_long_conversation_is_summarised_in_pieces_that_a_model_can_read() -> None:
    talk = [message for number in range(100) for message in said("x" * 400, str(number))]
    window, summaries = ContextWindow(1000, strategy="summarize"), 0
    while (fitted := fit_messages(talk, 0, window)).wants_summary is not None:
        wanted = fitted.wants_summary
        assert estimate_messages(talk[wanted.start : wanted.stop]) <= 700
        talk.append(summary("short", wanted.stop))
        summaries += 1
        assert summaries < 50

    assert fitted.dropped == 0
    assert len(fitted.messages) >= 2


# -- any conversation -----------------------------------------------------------------------------

TEXTS = st.integers(0, 600).map("x".__mul__)
ROUNDS = st.lists(st.lists(TEXTS, min_size=1, max_size=3), max_size=3)


@st.composite
def exchanges(draw: st.DrawFn) -> list[Message]:
    messages = [Message("user", draw(TEXTS))]
    for results in draw(ROUNDS):
        ids = [str(number) for number in range(len(results))]
        calls = tuple(ToolCall(each, "t") for each in ids)
        messages.append(Message("assistant", draw(TEXTS), tool_calls=calls))
        messages += [
            Message("tool", text, tool_call_id=each)
            for each, text in zip(ids, results, strict=True)
        ]
    if draw(st.booleans()):
        messages.append(Message("assistant", draw(TEXTS)))
    return messages


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    records: list[Message] = []
    for exchange in draw(st.lists(exchanges(), min_size=1, max_size=8)):
        records += exchange
        if draw(st.booleans()):
            records.append(summary(draw(TEXTS), draw(st.integers(0, len(records)))))
    return records


WINDOWS = st.builds(
    ContextWindow,
    st.integers(50, 1500),
    st.integers(0, 100),
    st.sampled_from(["sliding", "summarize"]),
)


def tried(
    records: Sequence[Message], window: ContextWindow, fixed: int = 0, factor: float = 1.0
) -> FittedMessages | None:
    try:
        return fit_messages(records, fixed, window, Calibration(factor))
    except ContextWindowExceeded:
        return None


def orphans(messages: Sequence[Message]) -> bool:
    """Whether a call or a result is without the other."""
    waiting: list[str] = []
    for message in messages:
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                return True
            waiting.remove(message.tool_call_id)
        elif waiting:
            return True
        else:
            waiting = [call.id for call in message.tool_calls]
    return bool(waiting)


@given(conversations(), WINDOWS, st.integers(0, 200), st.floats(0.5, 2))
def test_any_conversation_fits_or_is_refused(
    records: list[Message], window: ContextWindow, fixed: int, factor: float
) -> None:
    calibration = Calibration(factor)
    fitted = tried(records, window, fixed, factor)
    last = max(index for index, each in enumerate(records) if each.role == "user")
    turn = [each for each in records[last:] if each.role != "summary"]
    if fitted is None:
        unshortened = [each for each in turn if each.role != "tool"]
        notes = sum(estimate_text(each.content) + 60 for each in records if each.role == "summary")
        markers = 20 * len(turn)
        least = fixed + estimate_messages(unshortened)
        assert calibration.to_count(least + notes + markers) > window.tokens - window.reserve
        return

    sent = fitted.messages
    assert fitted.tokens == fixed + estimate_text(fitted.note) + estimate_messages(sent)
    assert calibration.to_count(fitted.tokens) <= window.tokens - window.reserve
    assert not orphans(sent)
    assert sent[0].role == "user"
    assert sent[-len(turn)] == records[last]
    assert [each.role for each in sent[-len(turn) :]] == [each.role for each in turn]
    if fitted.wants_summary is not None:
        assert 0 <= fitted.wants_summary.start < fitted.wants_summary.stop <= last


@given(conversations(), WINDOWS, st.integers(0, 200))
def test_what_was_fitted_fits(records: list[Message], window: ContextWindow, fixed: int) -> None:
    fitted = tried(records, window, fixed)
    assume(fitted)
    assert fitted is not None
    again = fit_messages(fitted.messages, fixed + estimate_text(fitted.note), window)

    assert again.messages == fitted.messages
    assert again.dropped == 0


@given(conversations(), exchanges(), WINDOWS)
def test_what_was_left_out_does_not_come_back(
    records: list[Message], more: list[Message], window: ContextWindow
) -> None:
    fitted, later = tried(records, window), tried([*records, *more], window)
    assume(fitted is not None and later is not None)
    assert fitted is not None
    assert later is not None

    assert len(later.messages) <= len(fitted.messages) + len(more)
