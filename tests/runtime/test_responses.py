"""The Responses API against a real server, with the vendor's SDK as the witness."""

from typing import Any, Literal

import orjson
import pytest

from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.files.pack import Parameters
from omnia_core.files.providers import OpenAISettings, Pricing, ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.ports.model import (
    ChatRequest,
    Finished,
    ModelEvent,
    OutputSchema,
    ProviderError,
    TextDelta,
    ToolCallRequest,
    ToolSpec,
)
from omnia_runtime.providers.openai.chat import chat_body
from omnia_runtime.providers.openai.responses import responses_body, unpacked_reasoning
from omnia_runtime.providers.openai.responses_stream import ResponseStream
from omnia_runtime.providers.vendor_errors import VendorFailure
from tests.runtime.openai_calls import KEY, SCHEMA, ask
from tests.runtime.sdks import openai
from tests.runtime.servers import ChatServer, serving

pytestmark = pytest.mark.usefixtures("openai_sdk")

MODEL = "gpt-5"
HI = ChatRequest("Be kind.", [Message("user", "hi")])
THOUGHT = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 20},
    "output_tokens": 10,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 110,
}


# What the SDK is called with, for the same tool and the same shape of the answer.
SDK_TOOLS: Any = [
    {
        "type": "function",
        "name": "get",
        "description": "gets",
        "parameters": SCHEMA,
        "strict": False,
    }
]
SDK_FORMAT: Any = {
    "format": {"type": "json_schema", "name": "my_fn", "schema": SCHEMA, "strict": False}
}


class ResponsesServer(ChatServer):
    """Speaks the Responses API."""

    path = "/v1/responses"

    def __init__(self, *events: dict[str, Any], done: bool = False) -> None:
        super().__init__([{**each, "sequence_number": n} for n, each in enumerate(events)])
        self.done = done

    def event(self, content: dict[str, Any]) -> bytes:
        return f"event: {content['type']}\n".encode() + super().event(content)


def response(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": MODEL,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        **fields,
    }


def ends(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": response(status, **fields)}


def text(delta: str) -> dict[str, Any]:
    return {
        "type": "response.output_text.delta",
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": delta,
        "logprobs": [],
    }


def item(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "response.output_item.done",
        "output_index": 0,
        "item": {"id": "i", "type": kind, **fields},
    }


def call(number: int, name: str, arguments: str, status: str = "completed") -> dict[str, Any]:
    return item(
        "function_call", call_id=f"c{number}", name=name, arguments=arguments, status=status
    )


def message() -> dict[str, Any]:
    return item("message", role="assistant", status="completed", content=[])


def config(url: str, model: str = MODEL, **fields: Any) -> ProviderConfig:
    settings = fields.pop("openai", OpenAISettings("responses"))
    return ProviderConfig(
        "default", "openai", model, base_url=f"{url}/v1", openai=settings, **fields
    )


async def answer(*events: dict[str, Any], **fields: Any) -> list[ModelEvent]:
    async with serving(ResponsesServer(*events)) as url:
        return await ask(config(url, **fields), HI)


async def test_text_streams_and_the_vendors_sdk_reads_the_same_from_the_same_server() -> None:
    server = ResponsesServer(
        {"type": "response.created", "response": response("in_progress")},
        text("Hel"),
        text("lo ä"),
        message(),
        ends(usage=USAGE),
    )
    async with serving(server) as url:
        events = await ask(config(url), HI)
        async with openai().AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as sdk:
            stream = await sdk.responses.create(
                model=MODEL,
                instructions="Be kind.",
                input=[{"role": "user", "content": "hi"}],
                include=["reasoning.encrypted_content"],
                store=False,
                stream=True,
            )
            theirs = [each async for each in stream]

    said = [each.delta for each in theirs if each.type == "response.output_text.delta"]
    assert [e.text for e in events if isinstance(e, TextDelta)] == said == ["Hel", "lo ä"]
    assert server.bodies[0] == server.bodies[1]
    assert server.headers[0]["Authorization"] == server.headers[1]["Authorization"]
    end, last = theirs[-1], events[-1]
    assert end.type == "response.completed"
    assert end.response.usage
    assert isinstance(last, Finished)
    assert (last.reason, last.usage.input_tokens, last.usage.output_tokens) == (
        "stop",
        end.response.usage.input_tokens,
        end.response.usage.output_tokens,
    )
    assert last.usage.cached_tokens == end.response.usage.input_tokens_details.cached_tokens == 40


async def test_calls_of_tools_and_the_thoughts_before_them_go_there_and_back() -> None:
    server = ResponsesServer(
        item("reasoning", **{k: v for k, v in THOUGHT.items() if k != "type"}),
        call(1, "get", '{"id":"7"}'),
        call(2, "put", ""),
        ends(),
    )
    async with serving(server) as url:
        events = await ask(config(url), HI)
        first, second, last = events
        assert isinstance(first, ToolCallRequest)
        assert isinstance(second, ToolCallRequest)
        assert (first.id, first.name, first.arguments) == ("c1", "get", '{"id":"7"}')
        assert (second.id, second.name, second.arguments) == ("c2", "put", "{}")
        assert last == Finished("tool_use", Usage())

        calls = tuple(
            ToolCall(each.id, each.name, each.arguments, each.opaque) for each in (first, second)
        )
        history = [
            Message("user", "hi"),
            Message("assistant", "one moment", tool_calls=calls),
            Message("tool", '{"a":1}', tool_call_id="c1"),
            Message("tool", "no", tool_call_id="c2", is_error=True),
        ]
        tools = [ToolSpec("get", "gets", SCHEMA)]
        settings = OpenAISettings("responses", "low", parallel_tool_calls=False)
        await ask(
            config(url, openai=settings),
            ChatRequest("", history, tools, "required", Parameters(0, 99, 0.5)),
        )
        theirs: Any = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "one moment"},
            THOUGHT,
            {"type": "function_call", "call_id": "c1", "name": "get", "arguments": '{"id":"7"}'},
            {"type": "function_call", "call_id": "c2", "name": "put", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": '{"a":1}'},
            {"type": "function_call_output", "call_id": "c2", "output": "no"},
        ]
        async with openai().AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as sdk:
            stream = await sdk.responses.create(
                model=MODEL,
                input=theirs,
                tools=SDK_TOOLS,
                tool_choice="required",
                parallel_tool_calls=False,
                reasoning={"effort": "low"},
                include=["reasoning.encrypted_content"],
                max_output_tokens=99,
                store=False,
                stream=True,
            )
            items = [each.item async for each in stream if each.type == "response.output_item.done"]
    assert server.bodies[1] == server.bodies[2]
    assert [each.type for each in items] == ["reasoning", "function_call", "function_call"]


def test_thoughts_of_another_model_or_vendor_are_not_sent() -> None:
    item = {"type": "reasoning", "encrypted_content": "e"}
    own = orjson.dumps({"vendor": "openai", "model": "gpt-5", "items": [item]}).decode()
    assert unpacked_reasoning(own, "gpt-5") == [item]
    assert unpacked_reasoning(own, "o3") == []
    assert unpacked_reasoning('{"thinking":"sig"}', "gpt-5") == []
    assert unpacked_reasoning("sig", "gpt-5") == []


async def test_a_function_asks_for_its_output_schema_as_the_sdk_does() -> None:
    server = ResponsesServer(text("{}"), ends())
    async with serving(server) as url:
        asked = ChatRequest(
            "",
            [Message("user", "hi")],
            output=OutputSchema("my fn", SCHEMA),
            parameters=Parameters(temperature=0.5),
        )
        await ask(config(url, "gpt-4o"), asked)
        async with openai().AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as sdk:
            await sdk.responses.create(
                model="gpt-4o",
                input=[{"role": "user", "content": "hi"}],
                text=SDK_FORMAT,
                temperature=0.5,
                store=False,
                stream=True,
            )
    assert server.bodies[0] == server.bodies[1]


@pytest.mark.parametrize(("role", "items"), [("user", 1), ("assistant", 0)])
def test_only_an_answer_without_a_word_is_left_out(
    role: Literal["user", "assistant"], items: int
) -> None:
    request = ChatRequest("", [Message(role, " ")])
    assert len(responses_body(ProviderConfig("p", "openai", "m"), request)["input"]) == items
    assert len(chat_body(ProviderConfig("p", "openai", "m"), request)["messages"]) == items


def test_parameters_that_the_api_does_not_have_are_left_out() -> None:
    penalties = Parameters(frequency_penalty=1, presence_penalty=1, top_k=3)
    body = responses_body(
        ProviderConfig("p", "openai", "gpt-4o"), ChatRequest("", [], parameters=penalties)
    )
    assert set(body) == {"model", "input", "stream", "store"}


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (ends(), "stop"),
        (
            ends("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "max_output_tokens",
        ),
        (ends("incomplete", incomplete_details={"reason": "content_filter"}), "safety"),
    ],
)
async def test_the_way_in_which_an_answer_ends_is_mapped(end: dict[str, Any], reason: str) -> None:
    last = (await answer(text("a"), end))[-1]
    assert isinstance(last, Finished)
    assert last.reason == reason


async def test_a_refusal_is_said_and_marked() -> None:
    refusal = {**text("no"), "type": "response.refusal.delta"}
    assert await answer(refusal, ends()) == [TextDelta("no"), Finished("refusal", Usage())]


async def test_a_call_that_was_cut_by_the_token_limit_is_not_made() -> None:
    end = ends("incomplete", incomplete_details={"reason": "max_output_tokens"})
    events = await answer(call(1, "get", '{"id', "incomplete"), end)
    assert events == [Finished("max_output_tokens", Usage())]


async def test_several_messages_of_one_answer_are_paragraphs() -> None:
    events = await answer(text("Let me see."), message(), text("It is 7"), text("."), ends())
    said = [event.text for event in events if isinstance(event, TextDelta)]
    assert said == ["Let me see.", "\n\nIt is 7", "."]


async def test_tokens_that_were_written_to_the_cache_have_their_own_price() -> None:
    last = (await answer(text("a"), ends(usage=USAGE), pricing=Pricing(1.0, 2.0, 0.5)))[-1]
    assert isinstance(last, Finished)
    assert last.usage.cost_usd == pytest.approx((60 * 1 + 40 * 0.5 + 10 * 2) / 1000)


FAILURES = [
    ({"type": "error", "code": "server_error", "message": "oops", "param": None}, True),
    ({"type": "error", "error": {"code": "rate_limit_exceeded", "message": "oops"}}, True),
    ({"type": "error", "error": {"type": "server_error", "message": "oops"}}, True),
    ({"type": "error", "code": "invalid_prompt", "message": "oops", "param": None}, False),
    (ends("failed", error={"code": "server_error", "message": "oops"}), True),
    (ends("failed", error={"code": "invalid_image", "message": "oops"}), False),
]


@pytest.mark.parametrize(("event", "retryable"), FAILURES)
async def test_an_error_in_the_stream_is_told_with_whether_to_ask_again(
    event: dict[str, Any], retryable: bool
) -> None:
    with pytest.raises(ProviderError, match=r'^the provider "default" .* broke off: oops$') as told:
        await answer(event)
    assert told.value.retryable is retryable


async def test_a_stream_that_ends_without_its_last_event_is_an_error() -> None:
    async with serving(ResponsesServer(text("half"), done=True)) as url:
        with pytest.raises(ProviderError, match="ended its stream before") as caught:
            await ask(config(url), HI)
    assert caught.value.retryable


def test_events_that_are_none_are_an_error_and_unknown_ones_are_passed_over() -> None:
    stream = ResponseStream(MODEL)
    assert stream.read(orjson.dumps({"type": "response.something.new", "delta": "x"})) == ""
    with pytest.raises(VendorFailure, match="malformed event"):
        stream.read(b"{")
