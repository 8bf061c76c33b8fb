"""The gRPC service over a real channel, in a process of its own."""

from collections.abc import Callable
from typing import Any

import grpc
import orjson
import pytest
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.runtime.program import SHOW_TOOLS, Program, Stream, client, kinds, said
from tests.runtime.scripted import Mounted, http_tool, pack
from tests.runtime.servers import ChatServer, chunk, serving

Start = Callable[..., Program]

SLOW = {"content": "one two three four five six", "inter_chunk_ms": 300}
SCRIPT = {
    "defaultResponse": "Hello there, friend.",
    "scenarios": {
        "default": {
            "matches": [
                {"when": "tool_result", "content": "It is {{tool_result.status}}."},
                {
                    "regex": "order (?P<id>[0-9]+)",
                    "tool_calls": [{"name": "lookup", "arguments": {"id": "{{id}}"}}],
                },
                {"contains": "slow", **SLOW},
                {"contains": "wait", "content": "a b", "latency_ms": 60000},
                {"contains": "fail", "error": {"status": 503}},
            ]
        }
    },
}


async def orders(request: web.Request) -> web.StreamResponse:
    """A tool server."""
    asked = orjson.loads(await request.read())
    return web.json_response({"status": f"sent as {asked['id']}"})


async def test_three_turns_with_a_tool_over_real_http(mounted: Mounted, start: Start) -> None:
    mounted.write_responses(SCRIPT)
    async with serving(orders) as url:
        mounted.write_tools(http_tool(f"{url}/orders"))
        start()
        async with client(mounted) as stub:
            stream = Stream(stub, SHOW_TOOLS)
            first = await stream.ask("hi")
            second = await stream.ask("where is order 42?")
            third = await stream.ask("thanks")

    assert kinds(first) == ["runtime_hello", "chunk", "done"]
    assert sum(message.WhichOneof("message") == "chunk" for message in first) == 3
    assert first[-1].done.final_content == said(first) == "Hello there, friend."
    assert first[-1].done.finish_reason == "stop"
    assert (first[-1].done.usage.input_tokens, first[-1].done.usage.output_tokens) == (10, 20)
    assert kinds(second) == ["tool_call", "tool_result", "chunk", "done"]
    assert second[0].tool_call.arguments_json == '{"id":"42"}'
    assert second[0].tool_call.id == second[1].tool_result.id
    assert orjson.loads(second[1].tool_result.result_json) == {"status": "sent as 42"}
    assert second[-1].done.final_content == "It is sent as 42."
    assert second[-1].done.usage.output_tokens == 40
    assert kinds(third) == ["chunk", "done"]


async def test_tools_are_shown_only_to_a_caller_that_asks(mounted: Mounted, start: Start) -> None:
    mounted.write_responses(SCRIPT)
    async with serving(orders) as url:
        mounted.write_tools(http_tool(f"{url}/orders"))
        start()
        async with client(mounted) as stub:
            assert kinds(await Stream(stub).ask("order 1")) == ["runtime_hello", "chunk", "done"]


async def test_hello_equals_health_and_the_standard_health_serves(
    mounted: Mounted, start: Start
) -> None:
    start()
    async with client(mounted) as stub:
        hello = (await Stream(stub).ask("hi"))[0].runtime_hello
        health = await stub.Health(pb.HealthRequest())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{mounted.grpc_port}") as channel:
            standard = health_pb2_grpc.HealthStub(channel)
            for service in ("", "omnia.runtime.v1.RuntimeService"):
                asked = health_pb2.HealthCheckRequest(service=service)
                assert (await standard.Check(asked)).status == 1
    assert set(hello.capabilities) == set(health.capabilities)
    assert set(hello.capabilities) == {
        "invoke",
        "client_tools",
        "request_tools",
        "seed_history",
        "read_conversation",
        "list_conversations",
        "name_conversation",
        "delete_conversation",
        "fork",
    }
    assert (health.healthy, health.status, health.contract_version) == (True, "ready", "1.7.0")


async def test_a_client_with_one_stream_per_turn_keeps_its_session(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses({"scenarios": {"default": {"turns": {1: "one", 2: "two", 3: "three"}}}})
    start()
    answers = []
    async with client(mounted) as stub:
        for _ in range(3):
            stream = Stream(stub)
            await stream.send("hi")
            await stream.call.done_writing()
            answers.append(said(await stream.turn()))
            assert await stream.read() is None
    assert answers == ["one", "two", "three"]


@pytest.mark.parametrize("content", ["slow", "wait"])
async def test_a_cancel_ends_the_turn_and_keeps_what_was_said(
    mounted: Mounted, start: Start, content: str
) -> None:
    turns = {1: SLOW, 2: "after"} if content == "slow" else {}
    script = {"scenarios": {"default": {**SCRIPT["scenarios"]["default"], "turns": turns}}}  # type: ignore[index] # JSON
    mounted.write_responses(script)
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        assert await stream.read() is not None
        await stream.send(content)
        if content == "slow":
            assert (await stream.read()) is not None
        await stream.send(cancel=True)
        end = (await stream.turn())[-1].done
        following = await stream.ask("again")
    assert end.finish_reason == "cancelled"
    assert "one two three four five six".startswith(end.final_content)
    # the cut answer counts as the first: it was kept
    assert content != "slow" or said(following) == "after"


async def test_a_cancel_that_overtakes_its_turn_is_not_lost(mounted: Mounted, start: Start) -> None:
    mounted.write_responses(SCRIPT)
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        await stream.send("wait")
        await stream.send(cancel=True)
        assert (await stream.turn())[-1].done.finish_reason == "cancelled"
        await stream.send(cancel=True)
        assert kinds(await stream.ask("hi")) == ["chunk", "done"]


async def test_a_cut_stream_cancels_the_turn_and_keeps_what_was_said(
    mounted: Mounted, start: Start
) -> None:
    turns = {1: SLOW | {"inter_chunk_ms": 60000}, 2: "after"}
    mounted.write_responses({"scenarios": {"default": {"turns": turns}}})
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        await stream.send("hi")
        assert [(await stream.read()) is not None for _ in range(2)] == [True, True]
        stream.call.cancel()
        # sent at once: the next turn waits for the cut one to be stored
        assert said(await Stream(stub).ask("again")) == "after"


@pytest.mark.covers("websocket.md#session-conflict")
async def test_two_turns_of_one_session_do_not_interleave(mounted: Mounted, start: Start) -> None:
    mounted.write_responses(SCRIPT)
    start()
    async with client(mounted) as stub:
        first, second = Stream(stub), Stream(stub)
        await first.send("wait")
        assert await first.read() is not None
        assert kinds(await second.ask("hi", session="other")) == ["runtime_hello", "chunk", "done"]
        error = (await second.ask("hi"))[-1].error
        await first.send(cancel=True)
        assert (await first.turn())[-1].done.finish_reason == "cancelled"
    assert error.code == "SESSION_CONFLICT"
    assert "send the message again" in error.message


async def test_messages_sent_during_a_turn_are_answered_after_it(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(
        {"scenarios": {"default": {"turns": {n: f"{n}" for n in range(1, 21)}}}}
    )
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        for _ in range(20):
            await stream.send("hi")
        answers = [said(await stream.turn()) for _ in range(20)]
    assert answers == [str(number) for number in range(1, 21)]


NO_TURN = [
    (pb.ClientMessage(content="hi"), "INVALID_MESSAGE"),
    (pb.ClientMessage(session_id="s1"), "INVALID_MESSAGE"),
    (pb.ClientMessage(session_id="s1", parts=[pb.ContentPart(type="image")]), "INVALID_MESSAGE"),
    (
        pb.ClientMessage(session_id="s1", client_tool_result=pb.ClientToolResult(call_id="c")),
        "INVALID_MESSAGE",
    ),
    (pb.ClientMessage(session_id="s1", duplex_start=pb.DuplexStart()), "DUPLEX_UNSUPPORTED"),
    (pb.ClientMessage(session_id="s1", audio_input=pb.AudioInputChunk()), "DUPLEX_UNSUPPORTED"),
]


async def test_a_message_that_begins_no_turn_is_an_error_and_the_stream_stays(
    mounted: Mounted, start: Start
) -> None:
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        for message, code in NO_TURN:
            await stream.call.write(message)
            assert (await stream.turn())[-1].error.code == code
        assert kinds(await stream.ask("hi")) == ["chunk", "done"]


async def test_a_failed_provider_ends_the_turn_and_the_stream_stays(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(SCRIPT)
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        assert (await stream.ask("fail"))[-1].error.code == "AGENT_UNAVAILABLE"
        parts = [pb.ContentPart(type="text", text="hi")]
        await stream.send(parts=parts)
        assert kinds(await stream.turn()) == ["chunk", "done"]


async def test_variables_come_from_the_messages_metadata(mounted: Mounted, start: Start) -> None:
    variables = [{"name": "customer", "type": "string", "required": True}]
    mounted.write_pack(pack("For {{customer}}.", variables=variables))
    start()
    async with client(mounted) as stub:
        stream = Stream(stub)
        error = (await stream.ask("hi"))[-1].error
        assert (error.code, '"customer"' in error.message) == ("INVALID_MESSAGE", True)
        assert kinds(await stream.ask("hi", customer="Ada")) == ["chunk", "done"]


@pytest.mark.covers("sessions.md#kept-variables")
@pytest.mark.parametrize("keeps", [None, "false", "true"])
async def test_declared_variables_are_kept_with_their_message_if_so_configured(
    mounted: Mounted, start: Start, keeps: str | None
) -> None:
    mounted.write_pack(
        pack("For {{plan}}.", variables=[{"name": "plan", "type": "string", "required": False}])
    )
    start(**({"OMNIA_SESSION_KEEP_VARIABLES": keeps} if keeps else {}))
    async with client(mounted) as stub:
        stream = Stream(stub)
        await stream.ask("hi", plan="gold", password="1234")
        await stream.ask("ho")
        read = await stub.ReadConversation(pb.ReadConversationRequest(session_id="s1"))
    told = [each.variables for each in read.messages if each.HasField("variables")]
    assert [dict(each.values) for each in told] == (
        [{"plan": "gold"}, {}] if keeps == "true" else []
    )
    assert "1234" not in str(read)


async def test_a_session_is_known_once_it_began(mounted: Mounted, start: Start) -> None:
    start()
    async with client(mounted) as stub:

        async def state(session: str) -> int:
            asked = pb.HasConversationRequest(session_id=session)
            return int((await stub.HasConversation(asked)).state)

        assert await state("s1") == pb.RESUME_STATE_NOT_FOUND
        await Stream(stub).ask("hi")
        assert await state("s1") == pb.RESUME_STATE_RESUMABLE
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await state("")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


INPUT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
FUNCTION_SCRIPT = {
    "matches": [
        {"path": "fail", "error": {"status": 503, "message": "busy"}},
        {"path": "broken", "error": {"status": 400}},
        {"json": {"echo": "{{input.text}}"}},
    ]
}


async def test_a_function_answers_with_the_text_of_the_model(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_function(INPUT, {"type": "object"})
    mounted.write_pack(pack("Return {{text}} of {{input}}."))
    mounted.write_responses(FUNCTION_SCRIPT)
    start(OMNIA_MODE="function")
    async with client(mounted) as stub:
        asked = pb.InvocationRequest(input_json='{"text":"a {{b}}"}', invocation_id="i1")
        answer = await stub.Invoke(asked)
    assert orjson.loads(answer.output_json) == {"echo": "a {{b}}"}
    assert answer.invocation_id == "i1"
    assert answer.usage.output_tokens == 20
    assert 0 <= answer.duration_ms < 5000


FAILING: list[tuple[dict[str, Any], str]] = [
    ({"input_json": "{}"}, "INVALID_ARGUMENT"),
    ({"invocation_id": "i"}, "INVALID_ARGUMENT"),
    ({"input_json": "{", "invocation_id": "i"}, "INVALID_ARGUMENT"),
    ({"input_json": "{}", "invocation_id": "i"}, "INVALID_ARGUMENT"),
    ({"input_json": '{"text":"","fail":1}', "invocation_id": "i"}, "UNAVAILABLE"),
    ({"input_json": '{"text":"","broken":1}', "invocation_id": "i"}, "INTERNAL"),
]


async def test_a_call_that_fails_has_a_status(mounted: Mounted, start: Start) -> None:
    mounted.write_function(INPUT, {})
    mounted.write_pack(pack("Return {{text}}."))
    mounted.write_responses(FUNCTION_SCRIPT)
    start(OMNIA_MODE="function")
    async with client(mounted) as stub:
        for fields, status in FAILING:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Invoke(pb.InvocationRequest(**fields))
            assert caught.value.code().name == status


async def test_a_conversation_streams_from_an_openai_compatible_server(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_pack(pack("Be kind.", parameters={"temperature": 0}))
    server = ChatServer([chunk({"content": "Hel"}), chunk({"content": "lo"}), chunk({}, "stop")])
    async with serving(server) as url:
        mounted.write_provider(type="openai", baseURL=f"{url}/v1", defaults={"temperature": 1})
        start(OMNIA_PROVIDER_DEFAULT_API_KEY="sk-1")
        async with client(mounted) as stub:
            stream = Stream(stub)
            assert said(await stream.ask("hi")) == "Hello"
            await stream.ask("again")
    assert server.headers[0]["Authorization"] == "Bearer sk-1"
    assert server.bodies[0]["temperature"] == 0
    assert [each["content"] for each in server.bodies[1]["messages"]] == [
        "Be kind.",
        "hi",
        "Hello",
        "again",
    ]


async def test_the_turns_of_a_session_are_told_with_what_is_recorded_of_them(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_responses(SCRIPT)
    async with serving(orders) as url:
        mounted.write_tools(http_tool(f"{url}/orders"))
        start(OMNIA_SESSION_TYPE="sqlite", OMNIA_SESSION_PATH=str(mounted.folder / "sessions.db"))
        async with client(mounted) as stub:
            stream = Stream(stub, SHOW_TOOLS)
            await stream.ask("hi")
            await stream.ask("where is order 42?")
            wanted = pb.ReadConversationRequest(session_id="s1", last_turns=1)
            told = await stub.ReadConversation(wanted, metadata=SHOW_TOOLS)
            hidden = await stub.ReadConversation(wanted)
    assert told.earlier_turns == 1
    assert told.messages[0].pack_version == "1.0.0"
    (trail,) = told.trails
    assert trail.turn == 2
    assert [call.model for call in trail.provider_calls] == ["m", "m"]
    assert all(call.duration_ms > 0 and call.input_tokens for call in trail.provider_calls)
    (tool,) = trail.tool_calls
    assert (tool.name, tool.handler, tool.status) == ("lookup", "lookup-handler", "success")
    assert tool.call_id == told.messages[1].tool_calls[0].id
    assert [event.kind for event in trail.events][:: len(trail.events) - 1] == [
        "turn_began",
        "turn_ended",
    ]
    assert "lookup" not in str(hidden.trails)


async def test_the_agent_and_its_prompt_are_told_over_the_wire(
    mounted: Mounted, start: Start
) -> None:
    mounted.write_pack(pack("It is {{current_year}}."))
    start()
    async with client(mounted) as stub:
        described = await stub.DescribeAgent(pb.DescribeAgentRequest())
        composed = await stub.ComposePrompt(pb.ComposePromptRequest())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ComposePrompt(pb.ComposePromptRequest(version="9.9.9"))
    assert described.template == "It is {{current_year}}."
    assert [piece.variable for piece in composed.pieces] == ["", "current_year", ""]
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
