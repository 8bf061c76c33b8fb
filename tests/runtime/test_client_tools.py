"""Tools that the client executes, over a real channel."""

from collections.abc import Callable
from typing import Any

import orjson

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.runtime.program import SHOW_TOOLS, Program, Stream, client, kinds, said
from tests.runtime.scripted import Mounted, http_tool

Start = Callable[..., Program]

SCRIPT = {
    "scenarios": {
        "default": {
            "matches": [
                {"when": "tool_result", "content": "Heard: {{tool_result}}"},
                {"contains": "where", "tool_calls": [{"name": "locate", "arguments": {"n": 1}}]},
            ]
        }
    },
}


def locate(timeout: str = "5s") -> dict[str, Any]:
    """A handler of type client."""
    return {
        "name": "browser",
        "type": "client",
        "timeout": timeout,
        "tool": {
            "name": "locate",
            "description": "asks the browser where the user is",
            "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "outputSchema": {"type": ["object", "string"]},
        },
        "clientConfig": {"consentMessage": "May I know?", "categories": ["location"]},
    }


async def called(stream: Stream) -> pb.ToolCall:
    """Ask, and return the call that reaches the client."""
    await stream.read()
    await stream.send("where am I?")
    message = await stream.read()
    assert message is not None
    return message.tool_call


async def test_a_client_that_answers_gives_the_tool_its_result(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(SCRIPT)
    mounted.write_tools(locate())
    start()
    async with client(mounted) as stub:
        # also a facade that shows every tool is told of this call once
        stream = Stream(stub, SHOW_TOOLS)
        call = await called(stream)
        result = pb.ClientToolResult(call_id=call.id, result_json='{"city":"Bern"}')
        await stream.send(client_tool_result=result)
        rest = await stream.turn()
    assert (call.name, orjson.loads(call.arguments_json)) == ("locate", {"n": 1})
    assert call.execution == pb.TOOL_EXECUTION_CLIENT
    assert (call.consent_message, list(call.categories)) == ("May I know?", ["location"])
    assert orjson.loads(call.output_schema_json) == {"type": ["object", "string"]}
    assert kinds(rest) == ["chunk", "done"]
    assert said(rest) == 'Heard: {"city": "Bern"}'


async def test_a_client_that_refuses_is_told_to_the_model(mounted: Mounted, start: Start) -> None:
    mounted.write_responses(SCRIPT)
    mounted.write_tools(locate())
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        call = await called(stream)
        result = pb.ClientToolResult(call_id=call.id, is_rejected=True, rejection_reason="private")
        await stream.send(client_tool_result=result)
        assert "refused the call: private" in said(await stream.turn())


async def test_a_client_that_does_not_answer_ends_the_call_and_not_the_turn(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(SCRIPT)
    mounted.write_tools(locate("300ms"))
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        call = await called(stream)
        assert "did not answer within 0.3 s" in said(await stream.turn())
        # what comes too late, in mid-turn, disturbs nobody
        late = pb.ClientToolResult(call_id=call.id, result_json="1")
        second = await _called_again(stream)
        await stream.send(client_tool_result=late)
        answer = pb.ClientToolResult(call_id=second.id, result_json='"now"')
        await stream.send(client_tool_result=answer)
        assert said(await stream.turn()) == "Heard: now"


async def _called_again(stream: Stream) -> pb.ToolCall:
    await stream.send("where am I now?")
    message = await stream.read()
    assert message is not None
    return message.tool_call


async def test_an_answer_that_nobody_waits_for_is_an_error(mounted: Mounted, start: Start) -> None:
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        await stream.read()
        await stream.send(client_tool_result=pb.ClientToolResult(call_id="x", result_json="1"))
        error = (await stream.turn())[-1].error
    assert (error.code, 'no call "x"' in error.message) == ("INVALID_MESSAGE", True)


async def test_a_cancel_reaches_a_call_that_waits_for_the_client(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(SCRIPT)
    mounted.write_tools(locate("60s"))
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        call = await called(stream)
        await stream.send(cancel=True)
        assert (await stream.turn())[-1].done.finish_reason == "cancelled"
        # an answer that was on its way then is not taken for a message
        await stream.send(client_tool_result=pb.ClientToolResult(call_id=call.id, result_json="1"))
        assert kinds(await stream.ask("hello")) == ["chunk", "done"]


async def test_a_function_is_not_offered_what_only_a_client_can_do(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(
        {
            "matches": [
                {"when": "tool_result", "json": {"heard": "{{tool_result.error}}"}},
                {"contains": "where", "tool_calls": [{"name": "locate"}]},
            ]
        }
    )
    mounted.write_function({"type": "object"}, {})
    mounted.write_tools(locate(), http_tool("http://127.0.0.1:9/", "other"))
    start(OMNIA_MODE="function")
    async with client(mounted) as stub:
        request = pb.InvocationRequest(input_json='{"q":"where"}', invocation_id="1")
        answer = await stub.Invoke(request)
    heard = orjson.loads(answer.output_json)["heard"]
    assert heard == 'there is no tool "locate"; the tools are: other'
