"""What is sent to Gemini, with the vendor's SDK as the witness."""

from typing import Any

import pytest
from msgspec import structs

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.files.pack import Parameters
from omnia_core.files.providers import ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, OutputSchema, ProviderError, ToolCallRequest
from omnia_runtime.providers.gemini.request import (
    gemini_capabilities,
    generate_body,
    generate_url,
)
from tests.runtime.gemini_calls import (
    GET,
    HI,
    NEW,
    OLD,
    PICTURE,
    PNG,
    SCHEMA,
    TEXT,
    UNSIGNED,
    ask,
    ask_sdk,
    canonical,
    config,
)
from tests.runtime.sdks import genai
from tests.runtime.servers import serving
from tests.runtime.vendors import VendorServer, gemini_chunk


def called(**call: Any) -> Any:
    """Return a call as the vendor's library writes it."""
    return genai().types.FunctionCall(**call)


# The SDK inherits from a class of aiohttp that asks not to be inherited from.
pytestmark = [
    pytest.mark.usefixtures("genai_sdk"),
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
]


async def test_a_conversation_with_parallel_tools_is_sent_as_the_sdk_sends_it() -> None:
    server = VendorServer(TEXT)
    calls = (
        ToolCall("c1", "get", '{"id":"1"}', "gemini:c2ln"),
        ToolCall("c2", "put", "{}"),
    )
    history = [
        Message("user", "hi"),
        Message("assistant", "Looking.", tool_calls=calls),
        Message("tool", '{"a":1}', tool_call_id="c1"),
        Message("tool", "no such id", tool_call_id="c2", is_error=True),
        Message("assistant", "", finish_reason="cancelled"),
        Message("user", "and now?"),
    ]
    parameters = Parameters(0, 9, 0.5, 3, 0.25, 0.75)
    request = ChatRequest("", history, [GET], "required", parameters)
    async with serving(server) as url:
        await ask(config(url, model=OLD), request)
        await ask_sdk(
            url,
            [
                genai().types.UserContent("hi"),
                genai().types.ModelContent(
                    [
                        genai().types.Part(text="Looking."),
                        genai().types.Part(
                            function_call=called(id="c1", name="get", args={"id": "1"}),
                            thought_signature=b"sig",
                        ),
                        genai().types.Part(function_call=called(id="c2", name="put", args={})),
                    ]
                ),
                genai().types.UserContent(
                    [
                        genai().types.Part(
                            function_response=genai().types.FunctionResponse(
                                id="c1", name="get", response={"output": {"a": 1}}
                            )
                        ),
                        genai().types.Part(
                            function_response=genai().types.FunctionResponse(
                                id="c2", name="put", response={"error": "no such id"}
                            )
                        ),
                    ]
                ),
                genai().types.UserContent("and now?"),
            ],
            OLD,
            tools=[
                genai().types.Tool(
                    function_declarations=[
                        genai().types.FunctionDeclaration(
                            name="get", description="gets", parameters_json_schema=SCHEMA
                        )
                    ]
                )
            ],
            tool_config=genai().types.ToolConfig(
                function_calling_config=genai().types.FunctionCallingConfig(
                    mode=genai().types.FunctionCallingConfigMode.ANY
                )
            ),
            temperature=0,
            max_output_tokens=9,
            top_p=0.5,
            top_k=3,
            frequency_penalty=0.25,
            presence_penalty=0.75,
        )
    assert server.bodies[0] == canonical(server.bodies[1])
    assert server.urls[0] == server.urls[1]


async def test_a_signature_goes_back_with_its_call_as_the_sdk_sends_it_back() -> None:
    call = {"functionCall": {"id": "c1", "name": "get", "args": {}}, "thoughtSignature": "c2ln"}
    server = VendorServer([gemini_chunk(call, finish="STOP")])
    async with serving(server) as url:
        asked = (await ask(config(url)))[0]
        theirs = (await ask_sdk(url))[0]
        assert isinstance(asked, ToolCallRequest)
        assert theirs.candidates
        said = Message(
            "assistant",
            tool_calls=(ToolCall(asked.id, asked.name, asked.arguments, asked.opaque),),
        )
        await ask(config(url), ChatRequest("", [Message("user", "hi"), said]))
        await ask_sdk(url, [genai().types.UserContent("hi"), theirs.candidates[0].content])
    assert server.bodies[2] == canonical(server.bodies[3])
    assert server.bodies[2]["contents"][1]["parts"] == [call]


@pytest.mark.parametrize(
    ("model", "signatures"),
    [
        (NEW, [UNSIGNED, None]),
        ("gemini-flash-latest", [UNSIGNED, None]),
        (OLD, [None, None]),
        ("gemma-3-27b-it", [None, None]),
    ],
)
def test_calls_that_another_vendor_made_pass_the_check_of_signatures(
    model: str, signatures: list[str | None]
) -> None:
    calls = (ToolCall("c1", "get", "no object", "claude:[]"), ToolCall("c2", "get"))
    history = [Message("user", "x"), Message("assistant", tool_calls=calls)]
    body = generate_body(ProviderConfig("p", "gemini", model), ChatRequest("", history))
    parts = body["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == signatures
    assert parts[0]["functionCall"]["args"] == {}


async def test_media_is_sent_as_the_sdk_sends_it() -> None:
    server = VendorServer(TEXT)
    parts = (
        PICTURE,
        Part("audio", media=Media("audio/wav", data="UklGRg==")),
        Part("video", media=Media("video/mp4", url="https://example.test/a.mp4")),
        Part("document", media=Media(url="https://example.test/a.pdf?x=1")),
    )
    history = [
        Message("user", "what is this?", parts),
        Message("assistant", "A picture.", tool_calls=(ToolCall("c1", "get"),)),
        Message("tool", "a picture", (PICTURE,), tool_call_id="c1"),
    ]
    picture = genai().types.FunctionResponseBlob(mime_type="image/png", data=PNG)
    async with serving(server) as url:
        await ask(config(url), ChatRequest("", history))
        await ask_sdk(
            url,
            [
                genai().types.UserContent(
                    [
                        genai().types.Part.from_bytes(data=PNG, mime_type="image/png"),
                        genai().types.Part.from_bytes(data=b"RIFF", mime_type="audio/wav"),
                        genai().types.Part.from_uri(
                            file_uri="https://example.test/a.mp4", mime_type="video/mp4"
                        ),
                        genai().types.Part.from_uri(
                            file_uri="https://example.test/a.pdf?x=1",
                            mime_type="application/pdf",
                        ),
                        genai().types.Part(text="what is this?"),
                    ]
                ),
                genai().types.ModelContent(
                    [
                        genai().types.Part(text="A picture."),
                        genai().types.Part(function_call=called(id="c1", name="get", args={})),
                    ]
                ),
                genai().types.UserContent(
                    [
                        genai().types.Part(
                            function_response=genai().types.FunctionResponse(
                                id="c1",
                                name="get",
                                response={"output": "a picture"},
                                parts=[genai().types.FunctionResponsePart(inline_data=picture)],
                            )
                        )
                    ]
                ),
            ],
        )
    ours, sdks = server.bodies[0], canonical(server.bodies[1])
    assert ours["contents"][1]["parts"][1].pop("thoughtSignature") == UNSIGNED
    assert ours == sdks


def test_an_older_model_gets_the_media_of_results_beside_them() -> None:
    history = [
        Message("user", "x"),
        Message("assistant", tool_calls=(ToolCall("c1", "get"), ToolCall("c2", "get"))),
        Message("tool", "1", (PICTURE,), tool_call_id="c1"),
        Message("tool", "2", tool_call_id="c2"),
    ]
    body = generate_body(ProviderConfig("p", "gemini", OLD), ChatRequest("", history))
    results, beside = body["contents"][2:]
    assert [part["functionResponse"]["response"]["output"] for part in results["parts"]] == [1, 2]
    assert [list(part) for part in beside["parts"]] == [["inlineData"]]


def test_the_result_of_a_tool_without_media_has_no_parts() -> None:
    call = Message("assistant", tool_calls=(ToolCall("c1", "get"),))
    history = [Message("user", "hi"), call, Message("tool", "1", tool_call_id="c1")]
    body = generate_body(ProviderConfig("p", "gemini", NEW), ChatRequest("", history))
    result = {"id": "c1", "name": "get", "response": {"output": 1}}
    assert body["contents"][-1] == {"role": "user", "parts": [{"functionResponse": result}]}


def test_parts_with_text_keep_their_order() -> None:
    parts = (Part("text", "first"), PICTURE, Part("text", "second"))
    request = ChatRequest("", [Message("user", "first second", parts)])
    body = generate_body(ProviderConfig("p", "gemini", NEW), request)
    kinds = [each.get("text", "media") for each in body["contents"][0]["parts"]]
    assert kinds == ["first", "media", "second"]


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (Part("image", media=Media("image/tiff", data="AAAA")), "image/tiff"),
        (Part("document", media=Media(url="https://example.test/a.zip")), "application/zip"),
        (Part("document", media=Media(url="https://example.test/a")), "unknown"),
        (Part("image"), "unknown"),
    ],
)
async def test_media_that_the_vendor_does_not_take_is_refused_before_it_is_sent(
    part: Part, named: str
) -> None:
    server = VendorServer(TEXT)
    async with serving(server) as url:
        with pytest.raises(ProviderError, match=f'"default" .*"{named}"') as caught:
            await ask(config(url), ChatRequest("", [Message("user", "x", (part,))]))
    assert not caught.value.retryable
    assert server.bodies == []


async def test_a_function_asks_for_its_output_schema_as_the_sdk_does() -> None:
    server = VendorServer(TEXT)
    async with serving(server) as url:
        await ask(config(url), ChatRequest("", HI.messages, output=OutputSchema("f", SCHEMA)))
        await ask_sdk(url, response_mime_type="application/json", response_json_schema=SCHEMA)
    assert server.bodies[0] == canonical(server.bodies[1])


@pytest.mark.parametrize(("model", "enforced"), [(NEW, True), (OLD, False)])
def test_an_older_model_with_tools_is_told_the_schema_in_words(model: str, enforced: bool) -> None:
    request = ChatRequest("Sort.", HI.messages, [GET], output=OutputSchema("f", SCHEMA))
    body = generate_body(ProviderConfig("p", "gemini", model), request)
    assert ("generationConfig" in body) is enforced
    alone = ChatRequest("Sort.", HI.messages, output=OutputSchema("f", SCHEMA))
    assert "generationConfig" in generate_body(ProviderConfig("p", "gemini", model), alone)
    system = body["systemInstruction"]["parts"][0]["text"]
    assert ('"type":"object"' in system) is not enforced
    assert system.startswith("Sort.")


@pytest.mark.parametrize(
    ("choice", "mode"), [("auto", "AUTO"), ("required", "ANY"), ("none", "NONE")]
)
def test_a_tool_choice_is_a_mode(choice: Any, mode: str) -> None:
    body = generate_body(
        ProviderConfig("p", "gemini", NEW), ChatRequest("", HI.messages, [GET], choice)
    )
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": mode}}
    assert len(body["tools"][0]["functionDeclarations"]) == 1


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        (OLD, {"temperature": 0, "topP": 1, "topK": 2}),
        ("gemini-3-pro-preview", {"temperature": 0, "topP": 1, "topK": 2}),
        ("gemini-3.5-flash", {"temperature": 0, "topP": 1, "topK": 2}),
        (NEW, None),
        ("gemini-flash-latest", None),
    ],
)
def test_a_model_gets_the_parameters_that_it_takes(model: str, sent: dict[str, Any] | None) -> None:
    parameters = Parameters(temperature=0, top_p=1, top_k=2)
    request = ChatRequest("", HI.messages, parameters=parameters)
    body = generate_body(ProviderConfig("p", "gemini", model), request)
    assert body.get("generationConfig") == sent


def test_what_is_not_set_is_not_sent() -> None:
    body = generate_body(ProviderConfig("p", "gemini", NEW), ChatRequest("", HI.messages))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


@pytest.mark.parametrize(
    ("base", "model", "url"),
    [
        (
            None,
            "gemini-3-pro",
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro",
        ),
        ("http://proxy:1/", "gemini-3-pro", "http://proxy:1/v1beta/models/gemini-3-pro"),
        ("http://proxy:1/v1", "hosts/a/models/b@1:c", "http://proxy:1/v1/hosts/a/models/b@1:c"),
        ("http://proxy:1/v1", "tunedModels/a b", "http://proxy:1/v1/tunedModels/a%20b"),
    ],
)
def test_the_url_has_a_default(base: str | None, model: str, url: str) -> None:
    found = generate_url(ProviderConfig("p", "gemini", model, base_url=base))
    assert found == url + ":streamGenerateContent?alt=sse"


def test_a_base_url_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="baseURL"):
        generate_url(ProviderConfig("p", "gemini", NEW, base_url="proxy:1"))


@pytest.mark.parametrize(
    ("model", "third", "before_3_6"),
    [
        ("gemini-2.5-flash", False, True),
        ("gemini-3-pro-preview", True, True),
        ("gemini-3.5-pro", True, True),
        ("gemini-3.6-pro", True, False),
        ("gemini-flash-latest", True, False),
        ("gemma-3-27b-it", False, True),
    ],
)
def test_a_models_name_says_what_it_accepts(model: str, *, third: bool, before_3_6: bool) -> None:
    can = structs.astuple(gemini_capabilities(model))
    assert can == (third, third, third, before_3_6)


def test_a_result_that_is_nested_too_deeply_is_sent_as_text() -> None:
    deep = "[" * 2000 + "]" * 2000
    history = [
        Message("user", "hi"),
        Message("assistant", tool_calls=(ToolCall("c1", "get"), ToolCall("c2", "get"))),
        Message("tool", deep, tool_call_id="c1"),
        Message("tool", '{"a": 1}', tool_call_id="c2"),
    ]
    body = generate_body(ProviderConfig("default", "gemini", NEW), ChatRequest("", history))
    results = [part["functionResponse"]["response"] for part in body["contents"][-1]["parts"]]
    assert deep in results[0].values()
    assert {"a": 1} in (results[1], *results[1].values())
