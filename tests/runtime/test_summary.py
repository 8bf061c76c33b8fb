"""Summaries of the older part of a conversation."""

import pytest

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.errors import OmniaError
from omnia_core.sessions import Message
from omnia_runtime.agent.summary import summarize
from omnia_runtime.ports.model import Finished, ProviderError, TextDelta
from tests.runtime.scripted import Round, ScriptedModel, says

TALK = [
    Message("user", "Where is order 4711?", (Part("image", media=Media(url="https://x/y")),)),
    Message("assistant", tool_calls=(ToolCall("1", "find_order", '{"id":4711}'),)),
    Message("tool", "on its way " * 1000, tool_call_id="1"),
    Message("tool", "broken", tool_call_id="2", is_error=True),
    Message("summary", "an older summary", covers=2),
    Message("assistant", "On its way."),
]


async def test_a_model_is_told_the_old_notes_and_what_was_said_since() -> None:
    model = ScriptedModel(says(" Order 4711 ", "is on its way. "))

    assert await summarize(model, "Ada asks.", TALK, 100) == "Order 4711 is on its way."
    (request,) = model.requests
    (message,) = request.messages
    assert request.tools == ()
    assert "at most 60 words" in request.system
    lines = message.content.splitlines()
    assert lines[:5] == [
        "Notes so far:",
        "Ada asks.",
        "",
        "What was said since:",
        "User: Where is order 4711? [image]",
    ]
    assert lines[5] == 'Assistant called find_order with {"id":4711}'
    assert lines[6].startswith("Tool returned: on its way on its way")
    assert len(lines[6]) < 500
    assert lines[7:] == ["Tool failed: broken", "Assistant: On its way."]


async def test_a_model_that_does_not_stop_is_stopped() -> None:
    endless: Round = [TextDelta("na " * 100)] * 100 + [ProviderError("never reached")]

    assert len(await summarize(ScriptedModel(endless), "", TALK, 10)) <= 80


async def test_a_model_that_takes_no_temperature_is_asked_without_one() -> None:
    model = ScriptedModel([ProviderError("no temperature", status=400)], says("Notes."))

    assert await summarize(model, "", TALK) == "Notes."
    first, second = model.requests
    assert (first.parameters.temperature, first.parameters.max_tokens) == (0.2, 500)
    assert (second.parameters.temperature, second.parameters.max_tokens) == (None, 500)
    assert "at most 300 words" in first.system
    assert (second.system, second.messages) == (first.system, first.messages)


async def test_without_notes_a_model_is_told_only_what_was_said() -> None:
    model = ScriptedModel(says("Notes."))
    await summarize(model, "", [Message("assistant"), Message("user", "hi")])
    assert model.requests[0].messages[0].content == "What was said since:\nUser: hi"


@pytest.mark.parametrize(
    ("message", "longest", "line"),
    [
        (Message("tool", "x" * 400), 400, "Tool returned: {}"),
        (Message("tool", "x" * 401), 400, "Tool returned: {}…"),
        (Message("user", "x" * 4000), 4000, "User: {}"),
        (Message("user", "x" * 4001), 4000, "User: {}…"),
        (
            Message("assistant", tool_calls=(ToolCall("1", "f", "x" * 401),)),
            400,
            "Assistant called f with {}…",
        ),
    ],
)
async def test_long_texts_are_cut_for_the_model(message: Message, longest: int, line: str) -> None:
    model = ScriptedModel(says("Notes."))
    await summarize(model, "", [message])
    found = model.requests[0].messages[0].content.splitlines()[1]
    assert found == line.format("x" * longest)


async def test_a_summary_of_the_longest_length_ends_the_call() -> None:
    model = ScriptedModel([TextDelta("x" * 79), TextDelta("y"), ProviderError("never reached")])
    assert await summarize(model, "", TALK, 10) == "x" * 79 + "y"
    model = ScriptedModel([TextDelta("x" * 79), ProviderError("reached")])
    with pytest.raises(ProviderError, match="reached"):
        await summarize(model, "", TALK, 10)


@pytest.mark.parametrize(
    ("round_", "reason"),
    [
        ([ProviderError("overloaded", retryable=True, status=529)], "overloaded"),
        ([Finished("stop")], "its answer was empty"),
        ([TextDelta("I can"), Finished("refusal")], "refusal"),
    ],
)
async def test_a_summary_that_fails_says_why(round_: Round, reason: str) -> None:
    with pytest.raises(OmniaError, match=reason):
        await summarize(ScriptedModel(round_), "", TALK)
