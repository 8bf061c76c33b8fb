"""The loop over a scripted model and scripted tools."""

import asyncio

import pytest

from omnia_core.sessions import Message
from omnia_runtime.agent.events import (
    AgentEvent,
    LimitReached,
    ToolAnswered,
    ToolCalled,
    TurnFinished,
)
from omnia_runtime.agent.loop import Limits, run_turn
from omnia_runtime.conversation import closed
from omnia_runtime.providers.port import (
    ChatRequest,
    Finished,
    ProviderError,
    TextDelta,
    ToolChoice,
    ToolSpec,
    Usage,
)
from tests.runtime.scripted import Round, ScriptedModel, ScriptedTools, asks, says

TOOLS = (ToolSpec("a", "", {}), ToolSpec("b", "", {}))
LIMIT = 5.0


async def run(
    model: ScriptedModel,
    tools: ScriptedTools,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    choice: ToolChoice = "auto",
) -> tuple[list[AgentEvent], list[Message]]:
    transcript = [Message("user", "hi")]
    request = ChatRequest("system", transcript, TOOLS, choice)
    async with asyncio.timeout(LIMIT):
        events = [e async for e in run_turn(model, tools, request, transcript, limits)]
    return events, transcript


async def test_an_answer_without_tools_is_one_round() -> None:
    events, transcript = await run(ScriptedModel(says("a ", "b")), ScriptedTools())
    assert events == ["a ", "b", TurnFinished("a b", "stop", Usage(10, 5, 0, 0.5))]
    assert transcript[1] == Message("assistant", "a b", finish_reason="stop")


async def test_tools_of_one_round_run_side_by_side_and_answer_in_order() -> None:
    # a waits until b has answered: one after another would never end
    tools = ScriptedTools({"a": asyncio.Event()})
    events, transcript = await run(ScriptedModel(asks("a", "b"), says("done")), tools)
    assert tools.answered == ["b", "a"]
    assert [e.call.name for e in events if isinstance(e, ToolCalled)] == ["a", "b"]
    assert [e.result.content for e in events if isinstance(e, ToolAnswered)] == ['"a"', '"b"']
    assert [each.role for each in transcript] == ["user", "assistant", "tool", "tool", "assistant"]
    assert events[-1] == TurnFinished("done", "stop", Usage(20, 10, 0, 1.0))


async def test_after_the_last_round_the_model_answers_without_tools() -> None:
    model = ScriptedModel(asks("a"), asks("a"), says("enough"))
    events, _ = await run(model, ScriptedTools(), Limits(max_rounds=2))
    assert [len(each.tools) for each in model.requests] == [2, 2, 0]
    assert events[-1] == TurnFinished("enough", "stop", Usage(30, 15, 0, 1.5))


async def test_calls_beyond_the_limit_are_refused_and_end_the_offer() -> None:
    tools, model = ScriptedTools(), ScriptedModel(asks("a", "b", "a"), says("ok"))
    events, _ = await run(model, tools, Limits(max_calls=2))
    assert tools.called == ["a", "b"]
    assert [e.result.is_error for e in events if isinstance(e, ToolAnswered)] == [
        False,
        False,
        True,
    ]
    assert [len(each.tools) for each in model.requests] == [2, 0]


async def test_a_model_that_only_wants_more_tools_reaches_its_limit() -> None:
    with pytest.raises(LimitReached, match="max_rounds: 1"):
        await run(ScriptedModel(asks("a"), asks("a")), ScriptedTools(), Limits(max_rounds=1))


async def test_a_forced_tool_choice_holds_for_the_first_round() -> None:
    model = ScriptedModel(asks("a"), says("ok"))
    await run(model, ScriptedTools(), choice="required")
    assert [each.tool_choice for each in model.requests] == ["required", "auto"]


async def test_the_finish_reason_of_the_model_is_that_of_the_turn() -> None:
    cut: Round = [TextDelta("a"), Finished("max_output_tokens")]
    events, transcript = await run(ScriptedModel(cut), ScriptedTools())
    assert events[-1] == TurnFinished("a", "max_output_tokens", Usage())
    assert transcript[-1].finish_reason == "max_output_tokens"


async def test_a_failure_of_the_model_leaves_what_was_done_in_the_transcript() -> None:
    transcript = [Message("user", "hi")]
    model = ScriptedModel(asks("a"), [TextDelta("par"), ProviderError("gone")])
    request = ChatRequest("system", transcript, TOOLS)
    with pytest.raises(ProviderError):
        async for _ in run_turn(model, ScriptedTools(), request, transcript, Limits()):
            pass
    assert [each.role for each in transcript] == ["user", "assistant", "tool"]


async def test_a_cut_transcript_answers_every_call_and_marks_the_text() -> None:
    transcript = [Message("user", "hi")]
    request = ChatRequest("system", transcript, TOOLS)
    tools = ScriptedTools({"a": asyncio.Event()})
    model = ScriptedModel([TextDelta("wait "), *asks("a")])
    turn = run_turn(model, tools, request, transcript, Limits())
    assert [await anext(turn), await anext(turn)][0] == "wait "
    await turn.aclose()

    messages = closed(transcript, 1, "wait ", "cancelled")

    assert [each.role for each in messages] == ["user", "assistant", "tool", "assistant"]
    assert (messages[2].tool_call_id, messages[2].is_error) == ("0-a", True)
    assert messages[3] == Message("assistant", "", finish_reason="cancelled")
    assert closed([], 0, "half", "error") == [Message("assistant", "half", finish_reason="error")]
