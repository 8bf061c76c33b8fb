"""Recorded sessions: what a turn gives evaluations, and what answers a tool call of a backtest."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.conversation.tools import ToolCall, ToolFailed, ToolResult
from omnia_core.conversation.usage import Usage
from omnia_core.files.evals import read_evals
from omnia_core.files.pack.prompt import Eval
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import EvalOutcome
from omnia_core.sessions import DeletedMessages, Message, Session
from omnia_core.sessions.recorded import RecordedSession, RecordedTurn
from omnia_core.sessions.records import placeholder_result
from omnia_runtime.evals.cases import Case
from omnia_runtime.evals.evaluate import evaluate
from omnia_runtime.evals.recorded import answered_turns, as_call
from omnia_runtime.evals.recorded_calls import RecordedCalls
from omnia_runtime.evals.serving import conversations
from omnia_runtime.ports.model import ToolSpec
from omnia_runtime.ports.tools import CallContext
from omnia_runtime.tools.routes import ToolRoute


def turn(order: str, answer: str = "It is here.", reason: str = "stop") -> list[Message]:
    call = ToolCall("call-1", "look_up", json.dumps({"id": order}))
    return [
        Message("user", f"Where is {order}?"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", f"found {order}", tool_call_id="call-1"),
        Message("assistant", answer, finish_reason=reason),
    ]


def session(
    *messages: Message, deleted: DeletedMessages | None = None, **turns: RecordedTurn
) -> RecordedSession:
    known = {int(name.removeprefix("turn")): each for name, each in turns.items()}
    return RecordedSession(Session("s", messages, deleted=deleted), known)


def test_every_turn_with_a_complete_answer_is_seen_with_what_is_known_of_it() -> None:
    recorded = session(
        *turn("A-1"),
        *turn("A-2", "It", "cancelled"),
        Message("summary", "so far", covers=4),
        *turn("A-3", "Bye."),
        Message("user", "And?"),
        turn4=RecordedTurn(Usage(1, 2), 7.0, 5.0, "blocked"),
        deleted=DeletedMessages(messages=4, turns=1),
    )
    first, last = answered_turns(recorded)
    assert (first.turn, first.output) == (2, "It is here.")
    assert (first.usage, first.latency_ms, first.blocked) == (None, None, None)
    assert (last.turn, last.output, last.usage) == (4, "Bye.", Usage(1, 2))
    assert (last.latency_ms, last.blocked) == (7.0, "blocked")
    assert [call.arguments for call in last.calls_of(session=False)] == ['{"id": "A-3"}']
    assert [len(each.calls) for each in (first, last)] == [1, 3]


def test_a_call_of_a_function_is_one_turn_however_often_its_answer_was_repaired() -> None:
    first, *rest = turn("A-1", "no JSON")
    again = [Message("user", "Again."), Message("assistant", "1", finish_reason="stop")]
    about = RecordedTurn(Usage(1, 2), 7.0)
    # The trail counts one turn, the messages three.
    (facts,) = answered_turns(as_call(session(first, *rest, *again, *again, turn3=about)))
    assert (facts.turn, facts.output, facts.usage, facts.latency_ms) == (1, "1", Usage(1, 2), 7.0)
    assert [each.role for each in facts.messages] == ["user", "assistant", "tool", "assistant"]
    assert [each.name for each in facts.calls] == ["look_up"]
    assert list(answered_turns(as_call(session()))) == []


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("cost_budget", {"max_cost_usd": 1}),
        ("latency_budget", {"max_ms": 9}),
        ("guardrail_triggered", {"validator_type": "max_length"}),
    ],
)
async def test_what_is_not_recorded_is_not_measured(kind: str, params: JsonObject) -> None:
    (spec,), _ = read_evals([Eval("e", kind, "every_turn", params=params)])
    (facts,) = answered_turns(session(*turn("A-1")))
    assert (await evaluate(spec, facts, {})).outcome is EvalOutcome.SKIPPED


SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}
SPEC = ToolSpec("look_up", "", SCHEMA)


class Absent:
    """A tool server that must not be asked."""

    name = "orders"
    timeout = 1.0

    def specs(self) -> list[ToolSpec]:
        return [SPEC]

    async def call(self, _tool: str, _arguments: JsonObject, _context: CallContext) -> ToolResult:
        raise AssertionError


ROUTE = ToolRoute(Absent(), SPEC, "look_up")


def test_a_call_is_answered_by_the_same_one_else_by_the_same_numbered_one() -> None:
    calls = RecordedCalls([*turn("A-1"), *turn("A-2")])
    assert calls.result(ROUTE, {"id": "A-2"}).content == "found A-2"
    assert calls.result(ROUTE, {"id": "A-2"}).content == "found A-2"
    with pytest.raises(ToolFailed, match="not recorded: look_up"):
        calls.result(ROUTE, {"id": "B-1"})
    assert (calls.calls, calls.unmatched) == (3, 1)
    other = RecordedCalls([*turn("A-1"), *turn("A-2")])
    assert other.result(ROUTE, {"id": "B-1"}).content == "found A-1"
    assert other.result(ROUTE, {"id": "B-2"}).content == "found A-2"
    assert other.unmatched == 0


def test_recorded_arguments_are_fitted_to_the_schema_as_the_tool_got_them() -> None:
    call = ToolCall("1", "look_up", '{"n": "7", "id": "A"}')
    messages = [Message("assistant", tool_calls=(call,)), Message("tool", "ok", tool_call_id="1")]
    calls = RecordedCalls([*turn("A-1"), *messages])
    assert calls.result(ROUTE, {"id": "A", "n": 7}).content == "ok"


def test_a_result_that_an_interrupted_turn_did_not_get_is_not_recorded() -> None:
    call = ToolCall("1", "look_up", "{}")
    calls = RecordedCalls([Message("assistant", tool_calls=(call,)), placeholder_result(call)])
    with pytest.raises(ToolFailed):
        calls.result(ROUTE, {})


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=9), st.integers(0, 8))
def test_a_case_that_is_added_changes_the_name_of_no_other(said: list[str], place: int) -> None:
    cases = [Case(index, (text,)) for index, text in enumerate(said)]
    names = conversations(cases)
    assert len(set(names)) == len(names)
    more = conversations([*cases[:place], Case(9, ("new",)), *cases[place:]])
    assert [name for name in more if name in names] == names
