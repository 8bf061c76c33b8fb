"""What docs/reference/websocket.md promises of turns, tools and errors, over real sockets."""

import asyncio

import pytest

from omnia_core.conversation.budget import reset_of
from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.units import Duration
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.timings import Timings
from omnia_facade.ws.advice import ADVICE
from omnia_facade.ws.client_tools import NOT_ACKNOWLEDGED, NOT_ANSWERED
from omnia_facade.ws.turn_queue import MAX_WAITING
from tests.facade.conftest import Client, Running, connected, running
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.services import free_port

HASTY = Timings(acknowledge=0.3, execute=0.3, cancel=0.2)


@pytest.mark.covers("websocket.md#finish-reason")
@pytest.mark.parametrize(
    "reason", ["stop", "max_output_tokens", "tool_use", "safety", "refusal", "cancelled"]
)
async def test_why_an_answer_ended_is_passed_on(agent: Running, reason: str) -> None:
    async with connected(agent.ws) as client:
        await client.say(f"end {reason}")
        assert (await client.receive())["finish_reason"] == reason


@pytest.mark.covers("websocket.md#pack-version")
async def test_which_version_answered_is_passed_on(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("version 2.0.0")
        assert (await client.receive())["pack_version"] == "2.0.0"
        await client.say("end stop")
        assert "pack_version" not in await client.receive()


@pytest.mark.covers("websocket.md#error", "websocket.md#runtime-codes")
async def test_an_error_of_the_runtime_is_passed_on(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("fail")
        (frame,) = await client.answer()
    assert frame["error"] == {"code": "PROVIDER_ERROR", "message": "no model"}


@pytest.mark.covers("websocket.md#error-advice", "websocket.md#error-retryable")
async def test_an_error_says_to_a_person_what_to_do(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("busy")
        (frame,) = await client.answer()
        await client.send("nothing that there is")
        refused = await client.receive()
    assert frame["error"]["details"] == {
        "title": "It is busy.",
        "hint": "Wait.",
        "retryable": True,
        "retry_after": 7.0,
    }
    # What the runtime does not know, the facade says of the code.
    assert refused["error"]["code"] == "INVALID_MESSAGE"
    assert refused["error"]["details"].keys() == {"title", "hint", "retryable"}
    assert set(ADVICE) == set(ErrorCode)
    for advice in ADVICE.values():
        assert advice.title.endswith(".")
        assert advice.hint.endswith(".")


@pytest.mark.covers("websocket.md#budget-exceeded")
async def test_a_spent_budget_is_told_with_the_time_of_the_next_one(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("spent")
        (frame,) = await client.answer()
    assert frame["error"]["code"] == "BUDGET_EXCEEDED"
    assert reset_of(frame["error"]["message"])


@pytest.mark.covers("websocket.md#show-tools")
async def test_hidden_tools_are_not_shown_and_those_of_the_client_are(
    runtime: ScriptedRuntime,
) -> None:
    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", show_tools=False) as facade,
        connected(facade.ws) as client,
    ):
        await client.say("tools")
        assert [frame["type"] for frame in await client.answer()] == ["done"]
        await client.say("ask")
        assert (await client.receive())["tool_call"]["execution"] == "client"


@pytest.mark.covers("websocket.md#queue", "websocket.md#queue-has-room-at-done")
async def test_messages_are_answered_one_at_a_time_in_their_order(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("ask")
        call = (await client.until("tool_call"))[-1]["tool_call"]
        for number in range(MAX_WAITING):
            await client.say(f"m{number}")
        await client.send("tool_result", tool_result={"call_id": call["id"], "result": 1})
        assert (await client.answer())[-1]["content"] == "1"
        await client.say("last")
        answers = [await client.answer() for _ in range(MAX_WAITING + 1)]

    names = [*(f"m{number}" for number in range(MAX_WAITING)), "last"]
    assert [frames[-1]["content"] for frames in answers] == [f"you said {name}" for name in names]
    assert {tuple(frame["type"] for frame in frames) for frames in answers} == {
        ("chunk", "chunk", "done")
    }


@pytest.mark.covers(
    "websocket.md#client-tool-nack",
    "websocket.md#tool-failed",
    "websocket.md#client-tool-schema",
)
async def test_a_client_refuses_a_tool_and_cannot_answer_it_afterwards(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("ask")
        call = (await client.until("tool_call"))[-1]["tool_call"]
        assert call["output_schema"] == {"type": "object"}
        await client.send("tool_call_nack", tool_call_nack={"call_id": call["id"], "reason": "no"})
        assert (await client.answer())[-1]["content"] == "no"
        await client.send("tool_result", tool_result={"call_id": call["id"], "result": 1})
        assert (await client.receive())["error"]["code"] == "TOOL_FAILED"
        await client.say("still here")
        assert (await client.answer())[-1]["content"] == "you said still here"


@pytest.mark.covers(
    "websocket.md#client-tool-of-an-ended-turn", "websocket.md#late-acknowledgement"
)
async def test_the_end_of_a_turn_ends_its_calls(agent: Running) -> None:
    async with connected(agent.ws) as client:
        await client.say("ask")
        call = (await client.until("tool_call"))[-1]["tool_call"]
        await client.send("cancel")
        assert (await client.answer())[-1]["finish_reason"] == "cancelled"
        await client.send("tool_call_ack", tool_call_ack={"call_id": call["id"]})
        await client.say("still here")
        assert (await client.answer())[-1]["content"] == "you said still here"
        await client.send("tool_result", tool_result={"call_id": call["id"], "result": 1})
        assert (await client.receive())["error"]["code"] == "TOOL_FAILED"


@pytest.mark.covers(
    "websocket.md#client-tool-not-acknowledged",
    "websocket.md#client-tool-not-answered",
    "websocket.md#silent-runtime",
    "websocket.md#cancel-is-not-waited-for",
    "websocket.md#agent-unavailable",
)
async def test_nobody_is_waited_for_for_ever(runtime: ScriptedRuntime) -> None:
    runtime.knows_cancel = False
    async with (
        serving(runtime) as port,
        running(
            runtime_address=f"127.0.0.1:{port}",
            turn_timeout=Duration(200),
            timings=HASTY,
        ) as facade,
        connected(facade.ws) as client,
    ):
        # Longer than the runtime may be silent: the time of the client does not count.
        await client.say("ask")
        assert (await client.answer())[-1]["content"] == NOT_ACKNOWLEDGED

        await client.say("ask")
        call = (await client.until("tool_call"))[-1]["tool_call"]
        await client.send("tool_call_ack", tool_call_ack={"call_id": call["id"]})
        assert (await client.answer())[-1]["content"] == NOT_ANSWERED

        await client.say("slow")
        error = (await client.answer())[-1]["error"]
        assert error["code"] == "AGENT_UNAVAILABLE"
        assert "said nothing for 0.2 s; send the message again" in error["message"]

    async with (
        serving(runtime) as port,
        running(runtime_address=f"127.0.0.1:{port}", timings=HASTY) as facade,
        connected(facade.ws) as client,
    ):
        await client.say("slow")
        await client.until("chunk")
        await client.send("cancel")
        end = (await client.answer())[-1]
        assert (end["content"], end["finish_reason"]) == ("so far", "cancelled")


async def answered(client: Client, content: str) -> str:
    """Say something until it is answered: a runtime that is back is found within a second."""
    async with asyncio.timeout(LIMIT):
        while True:
            await client.say(content)
            end = (await client.answer())[-1]
            if end["type"] == "done":
                return str(end["content"])
            await asyncio.sleep(0.05)


@pytest.mark.covers("websocket.md#runtime-goes-away", "websocket.md#internal-error")
async def test_a_runtime_that_goes_away_is_one_error_and_the_conversation_goes_on(
    runtime: ScriptedRuntime,
) -> None:
    at = free_port()
    soon = Timings(ready=0.1)
    runtime.resume = pb.RESUME_STATE_RESUMABLE
    async with (
        running(timings=soon, runtime_address=f"127.0.0.1:{at}") as facade,
        connected(facade.ws) as client,
    ):
        await client.say("hello")
        (nobody,) = await client.answer()
        assert nobody["error"]["code"] == "AGENT_UNAVAILABLE"
        async with serving(runtime, at):
            assert await answered(client, "hello again") == "you said hello again"
            for script, code in (("die", "AGENT_UNAVAILABLE"), ("crash", "INTERNAL_ERROR")):
                await client.say(script)
                frames = await client.answer()
                assert [frame["type"] for frame in frames][-1:] == ["error"]
                assert frames[-1]["error"]["code"] == code
                assert "send the message again" in frames[-1]["error"]["message"]
                assert "secret" not in frames[-1]["error"]["message"]
                await client.say("go on")
                frames = await client.answer()
                assert [frame["type"] for frame in frames] == ["chunk", "chunk", "done"]
            await client.say("slow")
            await client.until("chunk")
        frames = await client.answer()
        assert [frame["type"] for frame in frames][-1:] == ["error"]
        assert frames[-1]["error"]["code"] == "AGENT_UNAVAILABLE"
        async with serving(runtime, at):
            assert await answered(client, "go on") == "you said go on"


@pytest.mark.covers("websocket.md#internal-error")
async def test_a_session_that_cannot_be_looked_up_now_is_an_error_to_try_again(
    agent: Running, runtime: ScriptedRuntime
) -> None:
    runtime.resume = pb.RESUME_STATE_UNAVAILABLE
    async with connected(agent.ws) as client:
        await client.say("hello", session_id="old")
        error = (await client.answer())[-1]["error"]
        assert error["code"] == "INTERNAL_ERROR"
        assert "try again" in error["message"]
        runtime.resume = pb.RESUME_STATE_RESUMABLE
        await client.say("hello", session_id="old")
        assert (await client.answer())[-1]["content"] == "you said hello"
