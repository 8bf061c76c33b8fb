"""The chat completions adapter against a real server, with the vendor's SDK as the witness."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from omnia_core.conversation.tools import ToolCall
from omnia_core.conversation.usage import Usage
from omnia_core.files.pack import Parameters
from omnia_core.files.providers import Pricing, ProviderConfig, ProviderDefaults
from omnia_core.sessions import Message
from omnia_runtime.http_client import HTTPClient
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
from omnia_runtime.providers.openai.adapter import OpenAIModel
from omnia_runtime.providers.openai.chat import api_url, chat_body
from omnia_runtime.providers.openai.responses import responses_body
from tests.runtime.adapter_calls import LIMIT
from tests.runtime.openai_calls import HI, KEY, SCHEMA, TEXT, ask, config
from tests.runtime.sdks import openai
from tests.runtime.servers import USAGE, ChatServer, call_piece, chunk, serving
from tests.services import free_port

pytestmark = pytest.mark.usefixtures("openai_sdk")

CALLS = [
    chunk(call_piece(0, id="c1", name="get", arguments="")),
    chunk(call_piece(0, arguments='{"id":')),
    chunk(call_piece(1, id="c2", name="put", arguments="{}")),
    chunk(call_piece(0, arguments='"7"}')),
    chunk({}, "tool_calls"),
    chunk({}, usage=USAGE),
]

# What the SDK is called with, for the same conversation.
SDK_MESSAGES: Any = [
    {"role": "user", "content": "hi"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c0",
                "type": "function",
                "function": {"name": "get", "arguments": '{"id":"1"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "c0", "content": '{"a":1}'},
]
SDK_TOOLS: Any = [
    {
        "type": "function",
        "function": {"name": "get", "description": "gets", "parameters": SCHEMA},
    }
]
OUTPUT = OutputSchema("my fn", SCHEMA)
SDK_FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "my_fn", "schema": SCHEMA}}


async def test_text_streams_and_the_vendors_sdk_reads_the_same_from_the_same_server() -> None:
    server = ChatServer(TEXT)
    async with serving(server) as url:
        events = await ask(config(url))
        async with openai().AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as sdk:
            stream = await sdk.chat.completions.create(
                model="gpt-4o",
                messages=[
                    {"role": "system", "content": "Be kind."},
                    {"role": "user", "content": "hi"},
                ],
                stream=True,
                stream_options={"include_usage": True},
            )
            theirs = [each async for each in stream]

    words = [each.choices[0].delta.content for each in theirs if each.choices]
    assert [e.text for e in events if isinstance(e, TextDelta)] == [word for word in words if word]
    assert server.bodies[0] == server.bodies[1]
    assert server.headers[0]["Authorization"] == server.headers[1]["Authorization"]
    assert theirs[-1].usage is not None
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.usage.input_tokens, last.usage.output_tokens) == (
        "stop",
        theirs[-1].usage.prompt_tokens,
        theirs[-1].usage.completion_tokens,
    )


async def test_parallel_tool_calls_are_put_together_and_the_body_is_that_of_the_sdk() -> None:
    server = ChatServer(CALLS)
    history = [
        Message("user", "hi"),
        Message("assistant", "", tool_calls=(ToolCall("c0", "get", '{"id":"1"}'),)),
        Message("tool", '{"a":1}', tool_call_id="c0"),
    ]
    request = ChatRequest(
        "", history, [ToolSpec("get", "gets", SCHEMA)], "required", Parameters(0, 9, 0.5)
    )
    async with serving(server) as url:
        events = await ask(config(url), request)
        async with openai().AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as sdk:
            stream = await sdk.chat.completions.create(
                model="gpt-4o",
                messages=SDK_MESSAGES,
                tools=SDK_TOOLS,
                tool_choice="required",
                temperature=0,
                top_p=0.5,
                max_tokens=9,
                stream=True,
                stream_options={"include_usage": True},
            )
            pieces = [
                piece
                async for each in stream
                for choice in each.choices
                for piece in choice.delta.tool_calls or ()
            ]

    assert events[:2] == [
        ToolCallRequest("c1", "get", '{"id":"7"}'),
        ToolCallRequest("c2", "put", "{}"),
    ]
    assert isinstance(events[2], Finished)
    assert events[2].reason == "tool_use"
    first = [p.function.arguments or "" for p in pieces if p.index == 0 and p.function]
    assert "".join(first) == '{"id":"7"}'
    assert server.bodies[0] == server.bodies[1]


async def test_a_call_that_was_cut_by_the_token_limit_is_not_made() -> None:
    pieces = [
        chunk(call_piece(0, id="c1", name="get", arguments="{}")),
        chunk(call_piece(1, id="c2", name="put", arguments='{"id":"')),
        chunk({}, "length"),
    ]
    async with serving(ChatServer(pieces)) as url:
        events = await ask(config(url))
    assert events == [ToolCallRequest("c1", "get", "{}"), Finished("max_output_tokens", Usage())]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("length", "max_output_tokens"), ("content_filter", "safety"), ("stop", "stop")],
)
async def test_finish_reasons_are_mapped(finish: str, reason: str) -> None:
    async with serving(ChatServer([chunk({"content": "a"}, finish)])) as url:
        last = (await ask(config(url)))[-1]
    assert isinstance(last, Finished)
    assert last.reason == reason


async def test_a_refusal_is_said_and_marked() -> None:
    async with serving(ChatServer([chunk({"refusal": "no"}), chunk({}, "stop")])) as url:
        assert await ask(config(url)) == [TextDelta("no"), Finished("refusal", Usage())]


async def test_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    pieces = [
        chunk(call_piece(0, id="x", name="a", arguments="{}")),
        chunk(call_piece(0, id="y", name="b", arguments="{}"), "stop"),
    ]
    async with serving(ChatServer(pieces)) as url:
        events = await ask(config(url, type="ollama"))
    assert events == [
        ToolCallRequest("x", "a", "{}"),
        ToolCallRequest("y", "b", "{}"),
        Finished("tool_use", Usage()),
    ]


@pytest.mark.parametrize(
    ("pricing", "cost"),
    [(Pricing(), (60 * 2.5 + 40 * 1.25 + 10 * 10) / 1e6), (Pricing(1.0, 2.0, 0.5), 0.1)],
)
async def test_cost_comes_from_the_provider_or_the_list(pricing: Pricing, cost: float) -> None:
    async with serving(ChatServer(TEXT)) as url:
        last = (await ask(config(url, pricing=pricing)))[-1]
    assert isinstance(last, Finished)
    assert last.usage.cost_usd == pytest.approx(cost)
    assert last.usage.cached_tokens == 40


async def test_a_refused_key_is_told_without_the_key() -> None:
    server = ChatServer()
    server.refusal = (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    async with serving(server) as url:
        with pytest.raises(ProviderError) as caught:
            await ask(config(url))
        async with openai().AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as sdk:
            with pytest.raises(openai().AuthenticationError):
                await sdk.chat.completions.create(model="m", messages=[])
    assert "THE_KEY_VARIABLE" in caught.value.message
    assert KEY not in caught.value.message
    assert (caught.value.status, caught.value.retryable) == (401, False)


@pytest.mark.parametrize(
    ("status", "retryable"), [(429, True), (500, True), (529, True), (400, False)]
)
async def test_a_refusal_says_why_and_whether_to_try_again(status: int, retryable: bool) -> None:
    server = ChatServer()
    server.refusal = (status, {"error": {"message": f"because {KEY}"}})
    async with serving(server) as url:
        with pytest.raises(ProviderError, match=rf"{status}: because \*\*\*") as caught:
            await ask(config(url))
    assert caught.value.retryable is retryable


async def test_an_unreachable_server_is_named() -> None:
    port = free_port()
    with pytest.raises(ProviderError, match=rf"127\.0\.0\.1:{port}") as caught:
        await ask(config(f"http://127.0.0.1:{port}"))
    assert caught.value.retryable


async def test_a_stream_that_ends_early_is_an_error() -> None:
    server = ChatServer([chunk({"content": "half"})])
    server.done = False
    async with serving(server) as url:
        with pytest.raises(ProviderError, match="ended its stream before"):
            await ask(config(url))


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        ({"message": "oops", "type": "server_error"}, True),
        ({"message": "oops", "code": 502}, True),
        ({"message": "oops", "code": "invalid_prompt"}, False),
        ("oops", False),
    ],
)
async def test_an_error_in_the_stream_is_told_with_whether_to_ask_again(
    error: object, retryable: bool
) -> None:
    async with serving(ChatServer([{"error": error}])) as url:
        with pytest.raises(ProviderError, match=r"broke off: oops$") as caught:
            await ask(config(url))
    assert caught.value.retryable is retryable


async def test_a_function_asks_for_its_output_schema_as_the_sdk_does() -> None:
    server = ChatServer([chunk({"content": "{}", "refusal": None}, "stop")])
    async with serving(server) as url:
        await ask(config(url), ChatRequest("", [Message("user", "hi")], output=OUTPUT))
        async with openai().AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as sdk:
            await sdk.chat.completions.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": "hi"}],
                response_format=SDK_FORMAT,
                stream=True,
                stream_options={"include_usage": True},
            )
    assert server.bodies[0] == server.bodies[1]


async def test_a_silent_server_is_given_up() -> None:
    defaults = ProviderDefaults(stream_idle_timeout="50ms")
    async with serving(ChatServer([chunk({"content": "half"})], hold=True)) as url:
        with pytest.raises(ProviderError, match="silent"):
            await ask(config(url, defaults=defaults))


async def test_a_model_that_thinks_may_be_silent_for_as_long_as_before_its_first_word() -> None:
    server = ChatServer([chunk({"content": "half"})], hold=True)
    defaults = ProviderDefaults(stream_idle_timeout="1ms", request_timeout="400ms")
    async with serving(server) as url:
        thinker = structs.replace(config(url, defaults=defaults), model="o3")
        with pytest.raises(ProviderError, match=r"silent for 0\.4 s"):
            await ask(thinker)


async def test_a_closed_stream_closes_its_connection_at_once() -> None:
    server, client = ChatServer([chunk({"content": "half"})], hold=True), HTTPClient()
    async with serving(server) as url, asyncio.timeout(LIMIT):
        stream = OpenAIModel(config(url), None, "", client).stream(HI)
        assert await anext(stream) == TextDelta("half")
        await stream.aclose()
        await server.left.wait()
        await client.close()
    assert "Authorization" not in server.headers[0]


async def test_configured_headers_are_sent_and_connections_reused() -> None:
    server, client = ChatServer(TEXT), HTTPClient()
    async with serving(server) as url, asyncio.timeout(LIMIT):
        model = OpenAIModel(config(url, headers={"X-Team": "a"}), None, "", client)
        for _ in range(2):
            assert len([event async for event in model.stream(HI)]) == 3
        connector = client.session().connector
        assert connector is not None
        assert len(connector._conns) == 1
        await client.close()
    assert server.headers[0]["X-Team"] == "a"


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        (ProviderConfig("p", "openai", "m"), "max_completion_tokens"),
        (ProviderConfig("p", "openai", "m", base_url="http://x/v1"), "max_tokens"),
        (ProviderConfig("p", "ollama", "m"), "max_tokens"),
        (ProviderConfig("p", "vllm", "m"), "max_tokens"),
    ],
)
def test_the_name_of_the_token_limit_depends_on_the_server(
    provider: ProviderConfig, key: str
) -> None:
    asked = ChatRequest("", [Message("user", "x")], parameters=Parameters(max_tokens=7))
    assert chat_body(provider, asked)[key] == 7


def test_the_name_of_a_schema_is_cut_to_what_the_apis_accept() -> None:
    asked = ChatRequest("", [], output=OutputSchema("n" * 65, SCHEMA))
    provider = ProviderConfig("p", "openai", "m")
    in_chat = chat_body(provider, asked)["response_format"]["json_schema"]["name"]
    in_responses = responses_body(provider, asked)["text"]["format"]["name"]
    assert in_chat == in_responses == "n" * 64


@pytest.mark.parametrize("kind", ["openai", "vllm", "ollama"])
def test_tools_that_may_not_be_called_are_still_named_except_to_ollama(kind: str) -> None:
    asked = ChatRequest("", [], [ToolSpec("get", "gets", SCHEMA)], "none")
    provider = ProviderConfig("p", kind, "m")
    for body in (chat_body(provider, asked), responses_body(provider, asked)):
        assert ("tools" in body) is (kind != "ollama")
        assert body.get("tool_choice") == (None if kind == "ollama" else "none")


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_tools_that_may_be_called_are_named_to_every_server(kind: str) -> None:
    asked = ChatRequest("", [], [ToolSpec("get", "gets", SCHEMA)])
    provider = ProviderConfig("p", kind, "m")
    for body in (chat_body(provider, asked), responses_body(provider, asked)):
        assert len(body["tools"]) == 1


async def test_a_reason_and_the_usage_stay_when_a_later_chunk_has_none() -> None:
    counted = chunk({}, "length") | {"usage": USAGE}
    later = chunk({"content": "."}) | {"choices": [{"index": 0, "delta": {"content": "."}}]}
    async with serving(ChatServer([chunk({"content": "cut"}), counted, later])) as url:
        *said, last = await ask(config(url))
    assert isinstance(last, Finished)
    assert last.reason == "max_output_tokens"
    assert last.usage.input_tokens == USAGE["prompt_tokens"]
    assert "".join(each.text for each in said if isinstance(each, TextDelta)) == "cut."


@pytest.mark.parametrize(
    ("kind", "base", "url"),
    [
        ("openai", None, "https://api.openai.com/v1/chat/completions"),
        ("ollama", None, "http://localhost:11434/v1/chat/completions"),
        ("vllm", None, "http://localhost:8000/v1/chat/completions"),
        ("vllm", "http://gpu:1/v1/", "http://gpu:1/v1/chat/completions"),
    ],
)
def test_the_url_has_a_default_for_each_type(kind: str, base: str | None, url: str) -> None:
    assert api_url(ProviderConfig("p", kind, base_url=base), "/chat/completions") == url


def turn_of(events: list[ModelEvent]) -> list[Message]:
    """The conversation after an answer with calls."""
    asked = [event for event in events if isinstance(event, ToolCallRequest)]
    calls = tuple(ToolCall(call.id, call.name, call.arguments, call.opaque) for call in asked)
    results = [Message("tool", "1", tool_call_id=call.id) for call in calls]
    return [Message("user", "hi"), Message("assistant", tool_calls=calls), *results]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_the_reasoning_before_a_call_goes_back_by_its_name(name: str) -> None:
    server = ChatServer([chunk({name: "I must "}), chunk({name: "look", "content": None}), *CALLS])
    async with serving(server) as url:
        history = turn_of(await ask(config(url)))
        again = [*history, Message("assistant", "Done."), Message("user", "and?")]
        await ask(config(url), ChatRequest("", again))
        await ask(structs.replace(config(url), model="other"), ChatRequest("", again))
    same, other = server.bodies[1]["messages"], server.bodies[2]["messages"]
    assert same[1][name] == "I must look"
    assert same[1]["tool_calls"][0]["function"] == {"name": "get", "arguments": '{"id":"7"}'}
    assert [set(message) for message in same[2:]] == [
        {"role", "tool_call_id", "content"},
        {"role", "tool_call_id", "content"},
        {"role", "content"},
        {"role", "content"},
    ]
    assert set(other[1]) == {"role", "content", "tool_calls"}


async def test_details_of_reasoning_are_put_together_and_go_back() -> None:
    pieces: list[Any] = [
        [{"type": "reasoning.text", "index": 0, "text": "I ", "signature": None}],
        [{"type": "reasoning.text", "index": 0, "text": "look"}],
        [{"type": "reasoning.text", "index": 0, "signature": "c2ln"}, "odd"],
        [{"type": "reasoning.encrypted", "index": 1, "id": "r1", "data": "eHl6"}],
        [{"type": "reasoning.encrypted", "index": 1, "id": "r2", "data": "eHl6"}],
        {"odd": 1},
        None,
    ]
    chunks = [chunk({"content": "", "reasoning_details": piece}) for piece in pieces]
    odd = [chunk({"reasoning": {"odd": 1}}), chunk({"reasoning_content": 7})]
    server = ChatServer([*chunks, *odd, *CALLS])
    async with serving(server) as url:
        history = turn_of(await ask(config(url)))
        await ask(config(url), ChatRequest("", history))
    answer = server.bodies[1]["messages"][1]
    assert answer["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "I look", "signature": "c2ln"},
        {"type": "reasoning.encrypted", "index": 1, "id": "r1", "data": "eHl6"},
        {"type": "reasoning.encrypted", "index": 1, "id": "r2", "data": "eHl6"},
    ]
    assert set(answer) == {"role", "content", "tool_calls", "reasoning_details"}


async def test_the_extra_content_of_a_call_goes_back_with_it() -> None:
    extra = {"google": {"thought_signature": "c2ln"}}
    server = ChatServer(
        [
            chunk(call_piece(0, id="c1", name="get", arguments="{}") | {"reasoning": None}),
            {
                "choices": [
                    {"delta": {"tool_calls": [{"index": 0, "extra_content": extra}]}},
                ]
            },
            chunk(call_piece(1, id="c2", name="put", arguments="{}")),
            chunk({}, "tool_calls"),
        ]
    )
    async with serving(server) as url:
        history = turn_of(await ask(config(url)))
        await ask(config(url), ChatRequest("", history))
    calls = server.bodies[1]["messages"][1]["tool_calls"]
    assert [call.get("extra_content") for call in calls] == [extra, None]


@pytest.mark.parametrize(
    ("kind", "content", "sent"),
    [("openai", "Wait.", "Wait."), ("openai", "", None), ("vllm", "", "")],
)
def test_the_words_before_a_call_are_sent_with_it(
    kind: str, content: str, sent: str | None
) -> None:
    said = Message("assistant", content, tool_calls=(ToolCall("c1", "get"),))
    body = chat_body(ProviderConfig("p", kind, "m"), ChatRequest("", [said]))
    assert body["messages"][0]["content"] == sent


async def test_nothing_is_added_for_a_server_that_sent_no_reasoning() -> None:
    server = ChatServer(CALLS)
    async with serving(server) as url:
        history = turn_of(await ask(config(url)))
    assert all(call.opaque == "" for message in history for call in message.tool_calls)


@pytest.mark.parametrize(
    "host", ["api.deepseek.com", "api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"]
)
def test_answers_of_other_models_have_a_reasoning_where_a_vendor_refuses_them_without(
    host: str,
) -> None:
    configured = ProviderConfig("default", "openai", "m", base_url=f"https://{host}/v1")
    own = 'chat:{"model":"m","message":{"reasoning_content":"I look"}}'
    history = [
        Message("user", "hi"),
        Message("assistant", tool_calls=(ToolCall("c1", "get", opaque=own),)),
        Message("tool", "1", tool_call_id="c1"),
        Message("assistant", tool_calls=(ToolCall("c2", "get", opaque="claude:[]"),)),
        Message("tool", "1", tool_call_id="c2"),
        Message("assistant", "Done."),
    ]
    sent = chat_body(configured, ChatRequest("", history))["messages"]
    assert [message.get("reasoning_content") for message in sent] == [
        None,
        "I look",
        None,
        " ",
        None,
        " ",
    ]


def test_gemini_gets_a_signature_for_the_call_of_another_model() -> None:
    at_gemini = ProviderConfig(
        "default",
        "openai",
        "gemini-3-flash",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    )
    calls = (ToolCall("c1", "get"), ToolCall("c2", "get"))
    request = ChatRequest("", [Message("assistant", tool_calls=calls)])
    sent = chat_body(at_gemini, request)["messages"][0]["tool_calls"]
    signature = {"google": {"thought_signature": "skip_thought_signature_validator"}}
    assert [call.get("extra_content") for call in sent] == [signature, None]


async def test_renamed_arguments_come_back_under_their_own_names() -> None:
    server = ChatServer(
        [
            chunk(call_piece(0, id="c1", name="get", arguments='{"filter_name":"x"}')),
            chunk({}, "tool_calls"),
        ]
    )
    schema = {"type": "object", "properties": {"filter[name]": {"type": "string"}}}
    async with serving(server) as url:
        request = ChatRequest("", HI.messages, [ToolSpec("get", "", schema)])
        events = await ask(config(url), request)
    offered = server.bodies[0]["tools"][0]["function"]["parameters"]["properties"]
    assert list(offered) == ["filter_name"]
    assert events[0] == ToolCallRequest("c1", "get", '{"filter[name]":"x"}')


async def test_broken_arguments_do_not_cost_the_next_turns() -> None:
    server = ChatServer(TEXT)
    calls = (ToolCall("c1", "get", '{"id":'), ToolCall("c1", "a.b", "{'id': 1}"))
    history = [Message("user", "hi"), Message("assistant", tool_calls=calls)]
    history += [Message("tool", "bad", tool_call_id="c1"), Message("user", "and?")]
    async with serving(server) as url:
        await ask(config(url), ChatRequest("", history))
    assert server.bodies[0]["messages"][1]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "get", "arguments": "{}"}},
        {"id": "c1_2", "type": "function", "function": {"name": "a_b", "arguments": '{"id":1}'}},
    ]
    assert [message.get("tool_call_id") for message in server.bodies[0]["messages"][2:]] == [
        "c1",
        "c1_2",
        # An answer, and the message of the user.
        None,
        None,
    ]
