"""What a client brings along with a message: the history of a new session, and tools of its own."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.server.mapping import RejectedMessage, capabilities, read_message
from omnia_runtime.turns.turn import Caller, UserTurn, seeded
from tests.runtime.program import Program, Stream, client, said
from tests.runtime.scripted import Mounted

Start = Callable[..., Program]

COUNTING = {"scenarios": {"default": {"turns": {1: "first", 2: "second", 3: "third"}}}}
CALLING = {
    "scenarios": {
        "default": {
            "matches": [
                {"when": "tool_result", "content": "Heard: {{tool_result}}"},
                {"contains": "date", "tool_calls": [{"name": "pick_date", "arguments": {"n": 1}}]},
            ]
        }
    },
}
HISTORY = [
    pb.HistoryMessage(role="user", content="My name is Alice."),
    pb.HistoryMessage(role="assistant", content="Hello Alice!"),
]
PICK = pb.RequestTool(
    name="pick_date",
    description="asks the user for a date",
    parameters_json='{"type":"object","properties":{"n":{"type":"integer"}}}',
)


def message(**fields: Any) -> pb.ClientMessage:
    return pb.ClientMessage(session_id="s", content="hi", **fields)


async def test_a_new_session_begins_with_the_history_and_an_old_one_keeps_its_own(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(COUNTING)
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        await stream.read()
        # The model is asked for its second answer: the history has the first.
        await stream.send("What is my name?", history=HISTORY)
        assert said(await stream.turn()) == "second"
        await stream.send("And now?", history=HISTORY * 3)
        assert said(await stream.turn()) == "third"


async def test_a_session_with_a_history_belongs_to_its_user_whoever_said_the_first_word(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(COUNTING)
    start()
    greeting = [pb.HistoryMessage(role="assistant", content="Welcome!")]
    async with client(mounted) as stub:
        ann = Stream(stub, [("x-omnia-user-id", "ann")])
        await ann.read()
        await ann.send("hello", history=greeting)
        assert said(await ann.turn()) == "second"
        bob = Stream(stub, [("x-omnia-user-id", "bob")])
        await bob.read()
        await bob.send("hello", history=greeting)
        last = (await bob.turn())[-1]
    assert last.error.code == "SESSION_EXPIRED"


async def test_a_tool_of_the_client_is_offered_for_its_turn_and_executed_by_it(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(CALLING)
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        await stream.read()
        await stream.send("which date?", tools=[PICK])
        call = await stream.read()
        assert call is not None
        assert call.tool_call.name == "pick_date"
        assert call.tool_call.execution == pb.TOOL_EXECUTION_CLIENT
        result = pb.ClientToolResult(call_id=call.tool_call.id, result_json='{"date":"2026-12-01"}')
        await stream.send(client_tool_result=result)
        assert orjson.loads(said(await stream.turn()).removeprefix("Heard: ")) == {
            "date": "2026-12-01"
        }
        # Another turn without it: the model calls what it is not offered.
        await stream.send("which date?")
        assert "there is no tool" in said(await stream.turn())


async def test_a_tool_of_the_agent_wins_over_one_of_the_client(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(CALLING)
    own = {
        "name": "browser",
        "type": "client",
        "tool": {"name": "pick_date", "description": "the agent's own"},
        "clientConfig": {"consentMessage": "May I?"},
    }
    mounted.write_tools(own)
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        await stream.read()
        await stream.send("which date?", tools=[PICK])
        call = await stream.read()
    assert call is not None
    assert call.tool_call.consent_message == "May I?"


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"history": [pb.HistoryMessage(role="system", content="x")]}, '"system"; expected user'),
        ({"tools": [pb.RequestTool(name="")]}, "empty, or given twice"),
        ({"tools": [PICK, PICK]}, "given twice"),
        ({"tools": [pb.RequestTool(name="a", parameters_json="{")]}, "not JSON"),
        ({"tools": [pb.RequestTool(name="a", parameters_json="[1]")]}, "which is an object"),
        ({"tools": [pb.RequestTool(name="a", parameters_json="[" * 500)]}, "deeper than 200"),
        ({"tools": [pb.RequestTool(name=f"t{n}") for n in range(129)]}, "at most 128"),
    ],
)
def test_what_cannot_be_taken_along_is_refused(fields: dict[str, Any], found: str) -> None:
    rejected = read_message(message(**fields))
    assert isinstance(rejected, RejectedMessage)
    assert rejected.code == "INVALID_MESSAGE"
    assert found in rejected.message


@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text()), max_size=6),
    st.text(max_size=8),
)
def test_every_seeded_message_has_the_owner_and_the_text(
    said_before: list[tuple[str, str]], user: str
) -> None:
    given_history = [pb.HistoryMessage(role=role, content=text) for role, text in said_before]
    turn = read_message(message(history=given_history))
    assert isinstance(turn, UserTurn)
    messages = seeded(turn, Caller({"x-omnia-user-id": user}), "1")
    assert [(each.role, each.content) for each in messages] == said_before
    assert all((each.user_id, each.pack_version) == (user, "1") for each in messages)


def test_the_runtime_says_that_it_can() -> None:
    assert {"seed_history", "request_tools"} <= set(capabilities(uploads=False))
