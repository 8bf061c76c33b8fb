"""Answers of Gemini, chunk by chunk: what each piece adds, says and counts."""

from typing import Any

import pytest

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.usage import Usage
from omnia_runtime.ports.model import Finished, MediaProduced, ModelEvent
from omnia_runtime.providers.gemini.stream import ContentStream
from omnia_runtime.providers.vendor_errors import VendorFailure
from tests.runtime.test_claude_pieces import calls, read, reason


def chunk(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}, **candidate}]}


GEMINI_CALL = {"functionCall": {"name": "get", "id": "abc", "args": {"x": 1}}}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
OVER = {"finishReason": "STOP"}
NEW = {"finishReason": "NEW"}


def answer(*events: dict[str, Any]) -> list[ModelEvent]:
    stream = ContentStream()
    read(stream, *events)
    return stream.finish()


@pytest.mark.parametrize(
    ("events", "expected", "made"),
    [
        ([chunk({"text": "a"}, **OVER)], "stop", 0),
        # An end without content.
        ([chunk({"text": "a"}), {"candidates": [OVER]}], "stop", 0),
        ([chunk({"text": "a"}), {"candidates": [{"content": {}, **OVER}]}], "stop", 0),
        ([chunk({"text": "a"}, **OVER), chunk({"text": "b"})], "stop", 0),
        ([chunk({"text": "a"}, finishReason="tool_calls")], "stop", 0),
        ([chunk(GEMINI_CALL, finishReason="tool_calls")], "tool_use", 1),
        ([chunk(GEMINI_CALL, finishReason="SAFETY")], "safety", 0),
        ([chunk(GEMINI_CALL, finishReason="OTHER")], "refusal", 0),
        # Feedback that blocks nothing.
        ([{**chunk(GEMINI_CALL, **OVER), "promptFeedback": {}}], "tool_use", 1),
        ([{"promptFeedback": {"blockReason": "SAFETY"}}], "safety", 0),
    ],
)
def test_geminis_end_says_why_and_which_calls_are_made(
    events: list[dict[str, Any]], expected: str, made: int
) -> None:
    stream = ContentStream()
    read(stream, *events)
    assert not stream.done
    assert stream.complete
    rest = stream.finish()
    assert (reason(rest), len(calls(rest))) == (expected, made)


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([chunk({"text": "a"})], "before its answer"),
        ([chunk(finishReason="tool_calls")], "a tool call that it did not send"),
        ([chunk({"functionCall": {"id": "abc"}}, **OVER)], "without the name of its tool"),
        # The words of the server stay when a later chunk has none.
        ([chunk(finishReason="NEW", finishMessage="too odd"), chunk(**NEW)], "too odd"),
        ([chunk(**NEW), chunk(finishReason="NEW", finishMessage="too odd")], "too odd"),
    ],
)
def test_half_an_answer_of_gemini_is_an_error(events: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(VendorFailure, match=problem):
        answer(*events)


@pytest.mark.parametrize("part", [{"text": "hi"}, PICTURE, GEMINI_CALL])
def test_an_answer_of_any_kind_is_one_however_it_ended(part: dict[str, Any]) -> None:
    stream = ContentStream()
    read(stream, chunk(part, finishReason="SOMETHING_NEW"))
    assert isinstance(stream.finish()[-1], Finished)
    silent = ContentStream()
    read(silent, chunk({"thought": True, "text": "hm"}, finishReason="SOMETHING_NEW"))
    with pytest.raises(VendorFailure):
        silent.finish()


@pytest.mark.parametrize("beside", [True, False])
def test_a_prompt_that_is_blocked_is_not_answered(*, beside: bool) -> None:
    stream = ContentStream()
    feedback = {"promptFeedback": {"blockReason": "SAFETY"}}
    answer = chunk(GEMINI_CALL, **OVER)
    for event in [{**answer, **feedback}] if beside else [answer, feedback]:
        read(stream, event)
    rest = stream.finish()
    assert (reason(rest), calls(rest)) == ("safety", [])


def test_geminis_error_beside_a_text_is_raised_when_the_text_was_said() -> None:
    stream = ContentStream()
    error = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    assert read(stream, {**chunk({"text": "half"}), **error}) == "half"
    assert stream.done
    with pytest.raises(VendorFailure, match="busy") as failed:
        stream.finish()
    assert failed.value.retry
    with pytest.raises(VendorFailure, match="busy") as failed:
        answer({"error": {"message": "busy"}})
    assert failed.value.status == 500


@pytest.mark.parametrize(
    ("part", "total"),
    [
        (GEMINI_CALL, 3 + 3 + 8),
        ({**GEMINI_CALL, "thoughtSignature": "abcd"}, 3 + 3 + 8 + 4),
        ({"thought": True, "text": "think"}, 5),
        (PICTURE, 256 + 4),
        ({"text": "hi"}, 0),
    ],
)
def test_every_part_of_geminis_answer_is_counted_once(part: dict[str, Any], total: int) -> None:
    stream = ContentStream()
    read(stream, chunk(part, **OVER))
    assert stream.size.total == total


def test_geminis_counts_are_those_of_the_last_chunk_that_has_some() -> None:
    stream = ContentStream()
    usage = {
        "promptTokenCount": 5,
        "toolUsePromptTokenCount": 2,
        "cachedContentTokenCount": 3,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 4,
    }
    read(stream, {**chunk({"text": "a"}), "usageMetadata": {"promptTokenCount": 1}})
    read(stream, {**chunk(**OVER), "usageMetadata": usage}, {"modelVersion": "x"})
    assert stream.finish() == [Finished("stop", Usage(7, 11, 3))]
    late = ContentStream()
    read(late, chunk({"text": "a"}, **OVER), {"usageMetadata": usage})
    assert late.finish() == [Finished("stop", Usage(7, 11, 3))]


@pytest.mark.parametrize(
    ("mime", "kind"),
    [("image/png", "image"), ("audio/wav", "audio"), ("application/pdf", "document")],
)
def test_what_gemini_makes_is_of_the_kind_that_its_type_says(mime: str, kind: str) -> None:
    stream = ContentStream()
    read(stream, chunk({"inlineData": {"mimeType": mime, "data": "AAAA"}}, **OVER))
    (produced, _) = stream.finish()
    assert isinstance(produced, MediaProduced)
    assert produced.part == Part(kind, media=Media(mime, data="AAAA"))


@pytest.mark.parametrize("why", ["MAX_TOKENS", "STOP"])
def test_a_call_of_gemini_changes_only_the_reason_stop(why: str) -> None:
    stream = ContentStream()
    read(stream, chunk(GEMINI_CALL, finishReason=why))
    assert reason(stream.finish()) == ("tool_use" if why == "STOP" else "max_output_tokens")
