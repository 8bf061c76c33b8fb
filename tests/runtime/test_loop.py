"""The loop over a scripted model and scripted tools."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec import structs

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_core.files.validators import parse_validators
from omnia_core.sessions import Message
from omnia_runtime.agent.loop import MAX_ANSWERS, AgentLoop, Allowance, LimitReached, TurnLimits
from omnia_runtime.agent.request_builder import ModelContext, RequestBuilder
from omnia_runtime.ports.listener import (
    AgentEvent,
    DiscardingListener,
    ToolAnswered,
    ToolCalled,
    TurnFinished,
)
from omnia_runtime.ports.model import (
    ChatRequest,
    Finished,
    MediaProduced,
    ProviderError,
    TextDelta,
    ToolCallRequest,
    ToolChoice,
    ToolSpec,
)
from omnia_runtime.turns.turn import close_transcript
from omnia_runtime.validators import OutputGate, compile_validators
from tests.runtime.scripted import Heard, Round, ScriptedModel, ScriptedTools, asks, says

TOOLS = (ToolSpec("a", "", {}), ToolSpec("b", "", {}))
LIMIT = 100.0
WHOLE = RequestBuilder(ModelContext(None), {})


async def run(
    model: ScriptedModel,
    tools: ScriptedTools,
    limits: TurnLimits = TurnLimits(),  # noqa: B008 - frozen
    choice: ToolChoice = "auto",
    heard: Heard | None = None,
) -> tuple[list[str | AgentEvent | TurnFinished], list[Message]]:
    transcript = [Message("user", "hi")]
    request = ChatRequest("system", transcript, TOOLS, choice)
    heard = heard or Heard()
    async with asyncio.timeout(LIMIT):
        finished = await AgentLoop(model, tools, limits, WHOLE).run(request, transcript, heard)
    return [*heard.events, finished], transcript


async def test_an_answer_without_tools_is_one_round() -> None:
    events, transcript = await run(ScriptedModel(says("a ", "b")), ScriptedTools())
    assert events == ["a ", "b", TurnFinished("a b", "stop", Usage(10, 5, 0, 0.5))]
    assert transcript[1] == Message("assistant", "a b", finish_reason="stop")


class Full(Heard):
    """Takes one piece, and the next when there was room."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0
        self._full = False

    def send_text(self, text: str) -> bool:
        assert not self._full
        self._full = True
        super().send_text(text)
        return False

    async def drain(self) -> None:
        await asyncio.sleep(0)
        self.waits += 1
        self._full = False


async def test_a_listener_that_is_full_is_waited_for_before_it_is_told_more() -> None:
    full = Full()
    await run(ScriptedModel(says("a", "b", "c")), ScriptedTools(), heard=full)
    assert (full.events, full.waits) == (["a", "b", "c"], 3)


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
    events, _ = await run(model, ScriptedTools(), TurnLimits(max_rounds=2))
    assert [each.tool_choice for each in model.requests] == ["auto", "auto", "none"]
    assert [len(each.tools) for each in model.requests] == [2, 2, 2]
    usage = Usage(30, 15, 0, 1.5)
    assert events[-1] == TurnFinished("enough", "stop", usage, limit="max_rounds: 2")


async def test_calls_beyond_the_limit_are_refused_and_end_the_offer() -> None:
    tools, model = ScriptedTools(), ScriptedModel(asks("a", "b", "a"), says("ok"))
    events, transcript = await run(model, tools, TurnLimits(max_calls=2))
    assert tools.called == ["a", "b"]
    results = [each for each in transcript if each.role == "tool"]
    assert [each.is_error for each in results] == [False, False, True]
    assert [e.result.is_error for e in events if isinstance(e, ToolAnswered)] == [
        False,
        False,
        True,
    ]
    assert [each.tool_choice for each in model.requests] == ["auto", "none"]


async def test_a_round_that_uses_the_last_call_ends_the_offer() -> None:
    tools, model = ScriptedTools(), ScriptedModel(asks("a", "b"), says("ok"))
    events, _ = await run(model, tools, TurnLimits(max_calls=2))
    assert refusals(events) == []
    assert [each.tool_choice for each in model.requests] == ["auto", "none"]
    assert isinstance(finished := events[-1], TurnFinished)
    assert finished.limit == "max_tool_calls_per_turn: 2"


async def test_the_usual_limits_of_a_turn() -> None:
    allowance = Allowance(TurnLimits())
    calls = [ToolCall(str(number), "a", f'{{"x":{number}}}') for number in range(11)]
    assert [allowance.admit(call) == "" for call in calls] == [True] * 10 + [False]
    assert allowance.exhausted == "max_tool_calls_per_turn: 10"
    allowance = Allowance(TurnLimits())
    same = ToolCall("1", "a", "no JSON")
    assert [allowance.admit(same) == "" for _ in range(4)] == [True] * 3 + [False]
    assert allowance.admit(ToolCall("2", "a", "no json")) == ""
    for _ in range(5):
        assert allowance.exhausted == ""
        allowance.end_round()
    assert allowance.exhausted == "max_rounds: 5"
    assert Allowance(TurnLimits(max_rounds=0)).exhausted == "max_rounds: 0"


async def test_the_first_limit_that_is_reached_is_the_one_that_is_said() -> None:
    allowance = Allowance(TurnLimits(max_tokens=10, max_cost_usd=1.0))
    allowance.count_usage(Usage(5, 4, 0, 0.5))
    assert allowance.exhausted == ""
    allowance.count_usage(Usage(0, 1, 0, 0.5))
    assert allowance.exhausted == "max_cost_usd: 1"
    assert "the turn has used up its limit (max_cost_usd: 1)" in allowance.admit(ToolCall("1", "a"))
    allowance = Allowance(TurnLimits(max_tokens=10))
    allowance.count_usage(Usage(5, 5))
    assert allowance.exhausted == "max_total_tokens: 10"
    free = Allowance(TurnLimits())
    free.count_usage(Usage(10**9, 10**9, 0, 1e9))
    assert free.exhausted == ""


async def test_a_blocked_answer_ends_the_turn_with_its_replacement() -> None:
    excludes = {
        "type": "content_excludes",
        "params": {"patterns": ["bad"]},
        "message": "Not that.",
    }
    gate = compile_validators(parse_validators([excludes], "validators")).gate()
    heard, transcript = Heard(), [Message("user", "hi")]
    model = ScriptedModel(says("so ", "bad"))
    loop = AgentLoop(model, ScriptedTools(), TurnLimits(max_rounds=0), WHOLE, gate)
    finished = await loop.run(ChatRequest("system", transcript, TOOLS), transcript, heard)
    assert heard.events == ["so ", "\n\nNot that."]
    assert finished == TurnFinished(
        text="Not that.",
        reason="safety",
        usage=finished.usage,
        limit="max_rounds: 0",
        blocked="content_excludes",
    )
    assert transcript[1:] == [Message("assistant", "Not that.", finish_reason="safety")]


async def test_a_model_that_only_wants_more_tools_reaches_its_limit() -> None:
    with pytest.raises(LimitReached, match="max_rounds: 1"):
        await run(ScriptedModel(asks("a"), asks("a")), ScriptedTools(), TurnLimits(max_rounds=1))


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
    loop = AgentLoop(model, ScriptedTools(), TurnLimits(), WHOLE)
    with pytest.raises(ProviderError):
        await loop.run(request, transcript, DiscardingListener())
    assert [each.role for each in transcript] == ["user", "assistant", "tool"]


async def test_a_cut_transcript_answers_every_call_and_marks_the_text() -> None:
    transcript = [Message("user", "hi")]
    request = ChatRequest("system", transcript, TOOLS)
    tools = ScriptedTools({"a": asyncio.Event()})
    model = ScriptedModel([TextDelta("wait "), *asks("a")])
    heard = Heard()
    turn = asyncio.create_task(
        AgentLoop(model, tools, TurnLimits(), WHOLE).run(request, transcript, heard)
    )
    async with asyncio.timeout(LIMIT):
        await heard.told.wait()
    turn.cancel()
    await asyncio.wait({turn})
    assert heard.events[0] == "wait "

    messages = close_transcript(transcript, 1, "wait ", "cancelled")

    assert [each.role for each in messages] == ["user", "assistant", "tool", "assistant"]
    assert (messages[2].tool_call_id, messages[2].is_error) == ("0-a", True)
    assert messages[3] == Message("assistant", "", finish_reason="cancelled")
    assert close_transcript([], 0, "half", "error") == [
        Message("assistant", "half", finish_reason="error")
    ]


@pytest.mark.parametrize("known", [0, 4])
def test_a_call_with_the_id_of_an_earlier_one_is_answered_too(known: int) -> None:
    call = ToolCall("call_0", "a")
    round_ = [Message("assistant", tool_calls=(call,)), Message("tool", "1", tool_call_id=call.id)]
    transcript = [Message("user", "hi"), *round_, *round_[:1]]
    if known:
        transcript = [*transcript[:3], Message("user", "more"), *round_[:1]]

    messages = close_transcript(transcript, known, "", "cancelled")

    assert messages[:-2] == transcript
    assert (messages[-2].tool_call_id, messages[-2].is_error) == (call.id, True)
    assert close_transcript([*transcript, round_[1]], known, "", "cancelled")[:-1] == [
        *transcript,
        round_[1],
    ]


def refusals(events: Sequence[object]) -> list[str]:
    """What the model was told instead of a result."""
    return [e.result.content for e in events if isinstance(e, ToolAnswered) and e.result.is_error]


async def test_identical_calls_are_answered_with_a_hint_and_then_end_the_tools() -> None:
    model = ScriptedModel(*[asks("a") for _ in range(4)], says("enough"))
    tools = ScriptedTools()
    events, _ = await run(model, tools, TurnLimits(max_identical=2))
    assert tools.called == ["a", "a"]
    assert len(refusals(events)) == 2
    assert "was called 2 times with these arguments already" in refusals(events)[0]
    assert [each.tool_choice for each in model.requests] == ["auto"] * 4 + ["none"]


async def test_calls_with_the_same_arguments_in_another_order_are_identical() -> None:
    model = ScriptedModel(
        asks("a", arguments='{"x":1,"y":2}'), asks("a", arguments='{"y": 2, "x": 1}'), says("ok")
    )
    tools = ScriptedTools()
    events, _ = await run(model, tools, TurnLimits(max_identical=1))
    assert (tools.called, len(refusals(events))) == (["a"], 1)


async def test_calls_with_other_arguments_are_not_identical() -> None:
    model = ScriptedModel(*[asks("a", arguments=f'{{"x":{n}}}') for n in range(4)], says("ok"))
    tools = ScriptedTools()
    events, _ = await run(model, tools, TurnLimits(max_identical=1))
    assert (len(tools.called), refusals(events)) == (4, [])


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (TurnLimits(max_cost_usd=0.4), "max_cost_usd: 0.4"),
        (TurnLimits(max_tokens=15), "max_total_tokens"),
    ],
)
async def test_a_used_up_budget_calls_no_tool_any_more(limits: TurnLimits, named: str) -> None:
    model, tools = ScriptedModel(asks("a"), says("so far")), ScriptedTools()
    events, _ = await run(model, tools, limits)
    assert tools.called == []
    assert named in refusals(events)[0]
    assert isinstance(finished := events[-1], TurnFinished)
    assert finished.limit.startswith(named)
    assert structs.replace(finished, limit="") == TurnFinished(
        "so far", "stop", Usage(20, 10, 0, 1.0)
    )


async def test_no_more_calls_run_at_once_than_the_policy_allows() -> None:
    # at once, b would set a free: one after another, nobody does
    tools = ScriptedTools({"a": asyncio.Event()})
    turn = run(ScriptedModel(asks("a", "b"), says("ok")), tools, TurnLimits(max_parallel=1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await turn
    assert tools.called == ["a"]


async def test_a_tool_that_ends_the_turn_is_the_last() -> None:
    model = ScriptedModel(asks("a", "b"), says("never"))
    events, transcript = await run(model, ScriptedTools(), TurnLimits(stop_on=frozenset({"b"})))
    assert events[-1] == TurnFinished("", "stop", Usage(10, 5, 0, 0.5))
    assert [each.role for each in transcript] == ["user", "assistant", "tool", "tool"]


async def test_media_of_the_model_is_part_of_the_answer_and_of_the_record() -> None:
    image = Part("image", media=Media("image/png", "aGk="))
    drawn: Round = [TextDelta("here"), MediaProduced(image), Finished("stop")]
    events, transcript = await run(ScriptedModel(drawn), ScriptedTools())
    assert events[-1] == TurnFinished("here", "stop", Usage(), (image,))
    assert transcript[-1].parts == (image,)


async def test_what_the_vendor_wants_back_with_a_call_is_kept() -> None:
    asked: Round = [ToolCallRequest("1", "a", "{}", opaque="signed"), Finished("tool_use")]
    _, transcript = await run(ScriptedModel(asked, says("ok")), ScriptedTools())
    assert transcript[1].tool_calls[0].opaque == "signed"


def gate(**rule: object) -> OutputGate:
    """The gate of one validator."""
    found = compile_validators(parse_validators([rule], "validators")).gate()
    assert found is not None
    return found


async def test_what_is_kept_of_a_cut_answer_is_what_was_said() -> None:
    model = ScriptedModel([TextDelta("a" * 39), TextDelta("bcd"), Finished("stop", Usage(1, 1))])
    transcript = [Message("user", "hi")]
    request = ChatRequest("system", transcript, TOOLS)
    cutting = gate(type="max_length", params={"max": 40})
    heard = Heard()
    loop = AgentLoop(model, ScriptedTools(), TurnLimits(), WHOLE, cutting)
    await loop.run(request, transcript, heard)
    said = "".join(event for event in heard.events if isinstance(event, str))
    assert said == "a" * 39 + "b" == transcript[-1].content
    assert transcript[-1].finish_reason == "max_output_tokens"


async def test_what_is_held_back_is_judged_when_a_tool_ends_the_turn() -> None:
    model = ScriptedModel([TextDelta("bye"), *asks("b")])
    transcript = [Message("user", "hi")]
    request = ChatRequest("system", transcript, TOOLS)
    limits = TurnLimits(stop_on=frozenset({"b"}))
    judging = gate(type="min_length", params={"min": 2})
    heard = Heard()
    loop = AgentLoop(model, ScriptedTools(), limits, WHOLE, judging)
    await loop.run(request, transcript, heard)
    assert heard.events[0] == "bye"
    assert [each.content for each in transcript[1:]] == ["bye", '"b"']


async def test_the_model_gets_a_shortened_result_and_the_client_the_whole() -> None:
    class Wordy(ScriptedTools):
        async def call(self, call: ToolCall) -> ToolResult:
            await super().call(call)
            return ToolResult("long", shortened="lo")

    model = ScriptedModel(asks("a"), says("done"))
    events, transcript = await run(model, Wordy())
    assert [message.content for message in transcript if message.role == "tool"] == ["lo"]
    assert [each.result.content for each in events if isinstance(each, ToolAnswered)] == ["long"]


async def test_a_turn_that_says_too_much_between_its_tools_calls_no_more_of_them() -> None:
    wordy: Round = [
        TextDelta("y" * (MAX_ANSWERS // 2)),
        ToolCallRequest("c", "a", "{}", "o" * (MAX_ANSWERS // 4)),
        Finished("tool_use"),
    ]
    model, tools = ScriptedModel(wordy, wordy, says("done")), ScriptedTools()
    events, _ = await run(model, tools)
    assert tools.called == ["a"]
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].limit == f"characters: {MAX_ANSWERS}"
    assert model.requests[-1].tool_choice == "none"


async def test_arguments_of_any_depth_are_counted_as_calls() -> None:
    deep = '{"a":' + "[" * 900 + "]" * 900 + "}"
    model = ScriptedModel(asks("a", arguments=deep), says("b"))
    _, transcript = await run(model, ScriptedTools())
    assert [message.role for message in transcript[1:]] == ["assistant", "tool", "assistant"]
