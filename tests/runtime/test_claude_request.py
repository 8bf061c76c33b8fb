"""What is sent to the Messages API, with the vendor's SDK as the witness."""

import base64
from typing import Any

import pytest
from aiohttp import web
from msgspec import structs

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig
from omnia_core.jsonvalue import JsonObject
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, Finished, OutputSchema, ProviderError, ToolSpec
from omnia_runtime.providers.claude.request import (
    claude_capabilities,
    claude_parameters,
    messages_body,
    messages_url,
)
from omnia_runtime.providers.claude.schema import output_schema
from omnia_runtime.providers.fitting import Fitting
from tests.runtime.claude_calls import (
    CONFIG,
    GET,
    HI,
    MODEL,
    PNG,
    SCHEMA,
    SDK_TOOLS,
    TEXT,
    THOUGHTFUL,
    ask,
    ask_sdk,
    called,
    config,
)
from tests.runtime.sdks import anthropic
from tests.runtime.servers import serving
from tests.runtime.vendors import VendorServer

pytestmark = pytest.mark.usefixtures("anthropic_sdk")


async def test_a_conversation_with_parallel_tools_is_sent_as_the_sdk_sends_it() -> None:
    server = VendorServer(TEXT)
    calls = (ToolCall("c1", "get", '{"id":"1"}'), ToolCall("c2", "get", "{}"))
    history = [
        Message("user", "hi"),
        Message("assistant", "Looking.", tool_calls=calls),
        Message("tool", '{"a":1}', tool_call_id="c1"),
        Message("tool", "no such id", tool_call_id="c2", is_error=True),
        Message("assistant", "", finish_reason="cancelled"),
        Message("user", "and now?"),
    ]
    parameters = Parameters(temperature=0, max_tokens=9, top_k=3)
    request = ChatRequest("", history, [GET], "required", parameters)
    async with serving(server) as url:
        await ask(config(url), request)
        await ask_sdk(
            url,
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "Looking."},
                        {"type": "tool_use", "id": "c1", "name": "get", "input": {"id": "1"}},
                        {"type": "tool_use", "id": "c2", "name": "get", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "c1", "content": '{"a":1}'},
                        {
                            "type": "tool_result",
                            "tool_use_id": "c2",
                            "content": "no such id",
                            "is_error": True,
                        },
                        {"type": "text", "text": "and now?"},
                    ],
                },
            ],
            tools=SDK_TOOLS,
            tool_choice={"type": "any"},
            max_tokens=9,
            temperature=0,
            top_k=3,
        )
    assert server.bodies[0] == server.bodies[1]


async def test_thinking_goes_back_to_where_it_was_as_the_sdk_sends_it_back() -> None:
    server = VendorServer(THOUGHTFUL)
    question = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    async with serving(server) as url:
        events = await ask(config(url))
        theirs = await ask_sdk(url, max_tokens=1, messages=[question])
        await ask(config(url), ChatRequest("", [Message("user", "hi"), called(events)]))
        await ask_sdk(url, max_tokens=4096, messages=[question, theirs.to_param()])
    ours, sdks = server.bodies[2], server.bodies[3]
    assert [block["type"] for block in ours["messages"][1]["content"]] == [
        "thinking",
        "redacted_thinking",
        "text",
        "thinking",
        "text",
        "tool_use",
        "thinking",
        "tool_use",
    ]
    assert ours == sdks


async def test_thinking_of_earlier_turns_and_of_a_changed_answer_stays_away() -> None:
    async with serving(VendorServer(THOUGHTFUL)) as url:
        answer = called(await ask(config(url)))
    results = [Message("tool", "1", tool_call_id=call.id) for call in answer.tool_calls]
    earlier = [Message("user", "hi"), answer, *results, Message("user", "and?")]
    changed = [Message("user", "hi"), structs.replace(answer, content="***"), *results]
    for history in (earlier, changed):
        messages = messages_body(CONFIG, ChatRequest("", history))["messages"]
        assert [block["type"] for block in messages[1]["content"]] == [
            "text",
            "tool_use",
            "tool_use",
        ]


async def test_a_call_is_made_without_thinking_when_the_thoughts_are_refused() -> None:
    server = VendorServer(THOUGHTFUL)
    message = "Invalid `signature` in `thinking` block. It is bound to a different conversation."
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}

    async def refusing_once(request: web.Request) -> web.StreamResponse:
        response = await server(request)
        server.refusal = None
        return response

    async with serving(refusing_once) as url:
        history = [Message("user", "hi"), called(await ask(config(url)))]
        server.refusal = (400, {}, error)
        events = await ask(config(url), ChatRequest("", history))
    assert isinstance(events[-1], Finished)
    asked = ["thinking" in str(body["messages"]) for body in server.bodies]
    assert asked == [False, True, False]


async def test_a_request_that_is_refused_for_another_reason_is_not_made_again() -> None:
    server = VendorServer(THOUGHTFUL)
    async with serving(server) as url:
        history = [Message("user", "hi"), called(await ask(config(url)))]
        server.refusal = (400, {}, {"type": "error", "error": {"message": "too many tokens"}})
        with pytest.raises(ProviderError, match="too many tokens"):
            await ask(config(url), ChatRequest("", history))
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("model", "choice"),
    [
        ("claude-opus-4-6", "any"),
        ("claude-sonnet-5-5", "any"),
        ("claude-opus-5", "any"),
        ("claude-opus-5-5", "auto"),
        ("claude-fable-5", "any"),
        ("claude-fable-5-2", "auto"),
        ("claude-mythos-5-1", "auto"),
    ],
)
def test_a_model_that_cannot_be_made_to_call_a_tool_is_left_the_choice(
    model: str, choice: str
) -> None:
    asked = ChatRequest("", HI.messages, [GET], "required")
    body = messages_body(ProviderConfig("p", "claude", model), asked)
    assert body["tool_choice"] == {"type": choice}


async def test_media_is_sent_as_the_sdk_sends_it() -> None:
    server = VendorServer(TEXT)
    parts = (
        Part("image", media=Media("image/png", data=PNG)),
        Part("image", media=Media(url="https://example.test/a.jpg")),
        Part("document", media=Media("application/pdf", data="JVBERi0=")),
        Part("document", media=Media("application/pdf", url="https://example.test/a.pdf")),
        Part("document", media=Media("text/csv", data=base64.b64encode(b"a,b").decode())),
    )
    history = [
        Message("user", "what is this?", parts),
        Message("assistant", "", parts, tool_calls=(ToolCall("c1", "get"),)),
        Message("tool", "a picture", parts[:1], tool_call_id="c1"),
    ]
    image: Any = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PNG},
    }
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    async with serving(server) as url:
        await ask(config(url), ChatRequest("", history))
        await ask_sdk(
            url,
            max_tokens=4096,
            messages=[
                {
                    "role": "user",
                    "content": [
                        image,
                        {
                            "type": "image",
                            "source": {"type": "url", "url": "https://example.test/a.jpg"},
                        },
                        {"type": "document", "source": pdf},
                        {
                            "type": "document",
                            "source": {"type": "url", "url": "https://example.test/a.pdf"},
                        },
                        {
                            "type": "document",
                            "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
                        },
                        {"type": "text", "text": "what is this?"},
                    ],
                },
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "c1", "name": "get", "input": {}}],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "c1",
                            "content": [{"type": "text", "text": "a picture"}, image],
                        }
                    ],
                },
            ],
        )
    assert server.bodies[0] == server.bodies[1]


def test_parts_with_text_keep_their_order() -> None:
    parts = (
        Part("text", "first"),
        Part("image", media=Media("image/png", data=PNG)),
        Part("text", "second"),
    )
    body = messages_body(CONFIG, ChatRequest("", [Message("user", "first second", parts)]))
    kinds = [each.get("text", each["type"]) for each in body["messages"][0]["content"]]
    assert kinds == ["first", "image", "second"]


@pytest.mark.parametrize("kind", ["", "image/png"])
def test_a_picture_by_url_may_say_what_it_is(kind: str) -> None:
    part = Part("image", media=Media(kind, url="https://example.test/a.png"))
    body = messages_body(CONFIG, ChatRequest("", [Message("user", "", (part,))]))
    (content,) = body["messages"][0]["content"]
    assert content["source"] == {"type": "url", "url": "https://example.test/a.png"}


@pytest.mark.parametrize(
    "part",
    [
        Part("audio", media=Media("audio/wav", data="AAAA")),
        Part("image", media=Media("image/tiff", data="AAAA")),
        Part("image", media=Media("image/tiff", url="https://example.test/a.tiff")),
        Part("document", media=Media("application/zip", url="https://example.test/a.zip")),
        Part("document", media=Media("text/plain", data="/w==")),
    ],
)
async def test_media_that_the_vendor_does_not_take_is_refused_before_it_is_sent(part: Part) -> None:
    server = VendorServer(TEXT)
    async with serving(server) as url:
        with pytest.raises(ProviderError, match='provider "default"') as caught:
            await ask(config(url), ChatRequest("", [Message("user", "x", (part,))]))
    assert not caught.value.retryable
    assert server.bodies == []
    assert part.media
    named = part.media.mime_type if part.media.data != "/w==" else "UTF-8"
    assert named in caught.value.message


async def test_a_function_asks_for_its_output_schema_as_the_sdk_does() -> None:
    server = VendorServer(TEXT)
    schema: Any = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "format": "email", "minLength": 3},
            "kind": {"enum": ["a", "b"]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 4},
            "next": {"anyOf": [{"$ref": "#/$defs/Next"}, {"type": "null"}]},
            "age": {"type": "integer", "minimum": 0, "description": "in years"},
        },
        "required": ["name"],
        "$defs": {"Next": {"type": "object", "properties": {"at": {"type": "number"}}}},
    }
    async with serving(server) as url:
        await ask(config(url), ChatRequest("", HI.messages, output=OutputSchema("f", schema)))
        await ask_sdk(
            url,
            max_tokens=4096,
            messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
            output_config={
                "format": {"type": "json_schema", "schema": anthropic().transform_schema(schema)}
            },
        )
    assert server.bodies[0] == server.bodies[1]


def test_a_type_that_is_one_of_several_is_told_as_alternatives() -> None:
    assert output_schema({"type": ["string", "null"], "description": "why"}) == {
        "anyOf": [
            {"type": "string", "description": "why"},
            {"type": "null", "description": "why"},
        ]
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"any": {}}},
        {"type": "object", "properties": {"any": True}},
        {"type": "object"},
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}},
            "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}},
        },
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "object", "properties": {"a": {"$ref": "https://example.test/a.json"}}},
    ],
)
def test_a_schema_that_cannot_be_enforced_is_told_in_the_system_prompt(schema: Any) -> None:
    body = messages_body(
        CONFIG, ChatRequest("Sort.", HI.messages, output=OutputSchema("f", schema))
    )
    assert "output_config" not in body
    system = body["system"][0]["text"]
    assert system.startswith("Sort.\n\n")
    assert '"type":"object"' in system


@pytest.mark.parametrize(
    ("model", "enforced"),
    [
        ("claude-opus-4-1", False),
        ("claude-haiku-4-5", True),
        ("claude-sonnet-5", True),
        ("x", False),
    ],
)
def test_an_older_model_is_told_the_schema_in_words(model: str, enforced: bool) -> None:
    asked = ChatRequest("", HI.messages, output=OutputSchema("f", SCHEMA))
    body = messages_body(ProviderConfig("p", "claude", model), asked)
    assert ("output_config" in body, "system" in body) == (enforced, not enforced)


def test_tools_stay_when_none_may_be_called() -> None:
    body = messages_body(CONFIG, ChatRequest("", HI.messages, [GET], "none"))
    assert body["tools"] == SDK_TOOLS
    assert body["tool_choice"] == {"type": "none"}
    never_forced = ProviderConfig("p", "claude", "claude-opus-5-5")
    same = messages_body(never_forced, ChatRequest("", HI.messages, [GET], "none"))
    assert same["tool_choice"] == {"type": "none"}
    assert "tool_choice" not in messages_body(CONFIG, ChatRequest("", HI.messages, [], "required"))


def test_what_is_not_set_is_not_sent_but_the_token_limit() -> None:
    assert messages_body(CONFIG, ChatRequest("", HI.messages)) == {
        "model": MODEL,
        "max_tokens": 4096,
        "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        (
            "claude-3-5-haiku-20241022",
            {"max_tokens": 4096, "temperature": 0, "top_p": 1, "top_k": 2},
        ),
        ("claude-3-opus-20240229", {"max_tokens": 4096, "temperature": 0, "top_p": 1, "top_k": 2}),
        ("claude-opus-4-20250514", {"max_tokens": 4096, "temperature": 0, "top_p": 1, "top_k": 2}),
        ("claude-opus-4-1-20250805", {"max_tokens": 4096, "temperature": 0, "top_k": 2}),
        ("claude-sonnet-4-5-20250929", {"max_tokens": 4096, "temperature": 0, "top_k": 2}),
        ("anthropic/claude-sonnet-4.6", {"max_tokens": 4096, "temperature": 0, "top_k": 2}),
        ("claude-opus-4-7", {"max_tokens": 16384}),
        ("claude-sonnet-5", {"max_tokens": 16384}),
        ("claude-haiku-5-5", {"max_tokens": 16384}),
        ("claude-mythos-preview", {"max_tokens": 16384}),
        (
            "a-model-behind-a-gateway",
            {"max_tokens": 4096, "temperature": 0, "top_p": 1, "top_k": 2},
        ),
    ],
)
def test_a_model_gets_the_parameters_that_it_takes(model: str, sent: dict[str, Any]) -> None:
    assert (
        claude_parameters(Parameters(temperature=0, top_p=1, top_k=2), claude_capabilities(model))
        == sent
    )


def test_penalties_are_not_sent() -> None:
    parameters = Parameters(frequency_penalty=1, presence_penalty=1)
    body = messages_body(CONFIG, ChatRequest("", HI.messages, parameters=parameters))
    assert "frequency_penalty" not in body
    assert "presence_penalty" not in body


@pytest.mark.parametrize(
    ("system", "description", "marked"),
    [
        ("short", "short", (False, False)),
        ("long " * 1000, "short", (True, False)),
        ("short", "long " * 1000, (True, True)),
    ],
)
def test_long_instructions_are_cached(
    system: str, description: str, marked: tuple[bool, bool]
) -> None:
    tools = [GET, ToolSpec("put", description, SCHEMA)]
    body = messages_body(CONFIG, ChatRequest(system, HI.messages, tools))
    assert ("cache_control" in body["system"][-1], "cache_control" in body["tools"][-1]) == marked
    assert "cache_control" not in body["tools"][0]


def test_what_another_vendor_left_in_a_conversation_does_no_harm() -> None:
    call = ToolCall("call.0:get", "get", "no object", "gemini:abc")
    history = [
        Message("user", "x"),
        Message("assistant", tool_calls=(call,)),
        Message("tool", "1", tool_call_id=call.id),
    ]
    messages = messages_body(CONFIG, ChatRequest("", history))["messages"]
    assert messages[1:] == [
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "call_0_get", "name": "get", "input": {}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "call_0_get", "content": "1"}],
        },
    ]


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, "https://api.anthropic.com/v1/messages"),
        ("http://gateway:1/claude/", "http://gateway:1/claude/v1/messages"),
        ("http://gateway:1/v1", "http://gateway:1/v1/messages"),
    ],
)
def test_the_url_has_a_default(base: str | None, url: str) -> None:
    assert messages_url(ProviderConfig("p", "claude", base_url=base)) == url


def test_a_base_url_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="baseURL"):
        messages_url(ProviderConfig("p", "claude", base_url="gateway:1"))


def marks(body: Any) -> list[int]:
    """The places of the messages with a mark, which is on their last block."""
    for message in body["messages"]:
        assert all("cache_control" not in block for block in message["content"][:-1])
    return [
        index
        for index, message in enumerate(body["messages"])
        if message["content"][-1].get("cache_control") == {"type": "ephemeral"}
    ]


def test_the_end_of_a_long_conversation_and_of_the_one_before_it_are_cached() -> None:
    call = Message("assistant", tool_calls=(ToolCall("c1", "get"),))
    first = [Message("user", "long " * 1000), call, Message("tool", "1", tool_call_id="c1")]
    later = [*first, Message("assistant", "Done."), Message("user", "and?")]
    assert marks(messages_body(CONFIG, ChatRequest("", later[:1], [GET]))) == [0]
    assert marks(messages_body(CONFIG, ChatRequest("", later[:1]))) == [0]
    assert marks(messages_body(CONFIG, ChatRequest("", first, [GET]))) == [0, 2]
    body = messages_body(CONFIG, ChatRequest("long " * 1000, later, [GET]))
    assert marks(body) == [2, 4]
    assert str(body).count("cache_control") == 3


def test_a_short_conversation_and_a_single_call_of_a_function_are_not_cached() -> None:
    short = [Message("user", "hi"), Message("assistant", "hello"), Message("user", "and?")]
    assert marks(messages_body(CONFIG, ChatRequest("", short))) == []
    single = ChatRequest("", [Message("user", "long " * 1000)], output=OutputSchema("f", SCHEMA))
    assert marks(messages_body(CONFIG, single)) == []
    assert marks(messages_body(CONFIG, structs.replace(single, tools=[GET]))) == [0]


def test_an_answer_at_the_end_has_no_white_space_behind_it() -> None:
    history = [Message("user", "hi"), Message("assistant", "One, \n")]
    messages = messages_body(CONFIG, ChatRequest("", history))["messages"]
    assert messages[-1]["content"] == [{"type": "text", "text": "One,"}]
    later = messages_body(CONFIG, ChatRequest("", [*history, Message("user", "?")]))["messages"]
    assert later[1]["content"] == [{"type": "text", "text": "One, \n"}]


def test_an_error_without_a_text_has_one() -> None:
    history = [
        Message("user", "hi"),
        Message("assistant", tool_calls=(ToolCall("c1", "get"),)),
        Message("tool", "", tool_call_id="c1", is_error=True),
    ]
    request = Fitting(CONFIG).fit(ChatRequest("", history, [GET])).request
    (result,) = messages_body(CONFIG, request)["messages"][2]["content"]
    assert (result["content"], result["is_error"]) == ("(no output)", True)


WORD: JsonObject = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "subset"),
    [
        (
            {"type": "object", "additionalProperties": False},
            {"type": "object", "properties": {}, "additionalProperties": False},
        ),
        ({"type": "object"}, None),
        ({"type": "object", "properties": {"a": WORD}, "additionalProperties": True}, None),
        ({"type": "object", "properties": {"a": WORD}, "additionalProperties": WORD}, None),
        (
            {"properties": {"a": WORD}, "required": ["a"]},
            {
                "type": "object",
                "properties": {"a": WORD},
                "additionalProperties": False,
                "required": ["a"],
            },
        ),
        ({"items": WORD}, {"type": "array", "items": WORD}),
        ({"type": "array", "items": WORD}, {"type": "array", "items": WORD}),
        ({}, None),
        (
            {"type": "string", "items": WORD},
            {"type": "string", "description": f"{{items: {WORD}}}"},
        ),
        (
            {"type": "string", "properties": {"a": WORD}},
            {"type": "string", "description": f"{{properties: {{'a': {WORD}}}}}"},
        ),
        ({"type": ["string", "null"]}, {"anyOf": [WORD, {"type": "null"}]}),
        ({"enum": ["a", "b"], "type": "string"}, {"enum": ["a", "b"]}),
        ({"oneOf": [WORD, {"type": "null"}]}, {"anyOf": [WORD, {"type": "null"}]}),
        ({"$ref": "https://e.example/a"}, None),
    ],
)
def test_a_schema_is_as_much_of_itself_as_the_api_enforces(
    schema: JsonObject, subset: JsonObject | None
) -> None:
    assert output_schema(schema) == subset
