"""Images, audio and documents in chat completions and responses, with the SDK as the witness."""

import base64
from typing import Any

import pytest

from omnia_core.conversation.parts import Media, Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.files.providers import OpenAISettings, ProviderConfig
from omnia_core.sessions import Message
from omnia_runtime.ports.model import ChatRequest, ProviderError
from omnia_runtime.providers.openai.chat import chat_body
from omnia_runtime.providers.openai.responses import responses_body
from omnia_runtime.providers.vendor_errors import VendorFailure
from tests.runtime.openai_calls import ask, config
from tests.runtime.sdks import openai
from tests.runtime.servers import ChatServer, chunk, serving

pytestmark = pytest.mark.usefixtures("openai_sdk")

CONFIG = ProviderConfig("p", "openai", "gpt-4o")
PNG = base64.b64encode(b"\x89PNG").decode()
TEXT = base64.b64encode("grüße".encode()).decode()


def part(kind: str, mime: str = "", data: str = "", url: str = "") -> Part:
    return Part(kind, media=Media(mime, data, url))


IMAGE = part("image", "image/png", PNG)
LINK = part("image", url="https://example.com/a.jpg")
SOUND = part("audio", "audio/mpeg", "QQ==")
PDF = part("document", "application/pdf", "JVBERg==")
NOTE = part("document", "text/markdown", TEXT)

ALL_CHAT: Any = [
    {"type": "text", "text": "look"},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    {"type": "image_url", "image_url": {"url": "https://example.com/a.jpg"}},
    {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
    {
        "type": "file",
        "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
    },
    {"type": "text", "text": "grüße"},
]
ALL_RESPONSES: Any = [
    {"type": "input_text", "text": "look"},
    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
    {"type": "input_image", "image_url": "https://example.com/a.jpg", "detail": "auto"},
    {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
    {
        "type": "input_file",
        "filename": "document.pdf",
        "file_data": "data:application/pdf;base64,JVBERg==",
    },
    {"type": "input_text", "text": "grüße"},
]
ALL = Message("user", "look", (IMAGE, LINK, SOUND, PDF, NOTE))


async def test_media_of_a_user_are_sent_as_the_sdk_sends_them() -> None:
    server = ChatServer([chunk({"content": "a"}, "stop")])
    async with serving(server) as url:
        await ask(config(url), ChatRequest("", [ALL]))
        async with openai().AsyncOpenAI(api_key="k", base_url=f"{url}/v1") as sdk:
            await sdk.chat.completions.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": ALL_CHAT}],
                stream=True,
                stream_options={"include_usage": True},
            )
    assert server.bodies[0] == server.bodies[1]


def test_the_responses_api_gets_the_same_media_in_its_own_words() -> None:
    body = responses_body(CONFIG, ChatRequest("", [ALL]))
    assert body["input"] == [{"role": "user", "content": ALL_RESPONSES}]


def test_a_document_by_its_url_is_known_to_the_responses_api_alone() -> None:
    linked = Message("user", "read", (part("document", url="https://example.com/a.pdf"),))
    asked = ChatRequest("", [linked])
    with pytest.raises(VendorFailure, match=r"openai\.api: responses"):
        chat_body(CONFIG, asked)
    other = Message("user", "x", (part("document", "text/plain", url="https://example.com/a"),))
    with pytest.raises(VendorFailure, match="by its URL"):
        responses_body(CONFIG, ChatRequest("", [other]))
    sent = responses_body(CONFIG, asked)["input"][0]["content"]
    assert sent[1] == {"type": "input_file", "file_url": "https://example.com/a.pdf"}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            part("video", "video/mp4", "QQ=="),
            'does not accept video parts of the media type "video/mp4"',
        ),
        (
            part("image", "image/tiff", "QQ=="),
            'does not accept image parts of the media type "image/tiff"',
        ),
        (
            part("audio", "audio/ogg", "QQ=="),
            'does not accept audio parts of the media type "audio/ogg"',
        ),
        (part("image", "image/tiff", url="https://a/b"), '"image/tiff" by its URL; it accepts'),
        (part("audio", "audio/wav", url="https://a/b"), "by its URL; it accepts images"),
        (Part("image"), 'does not accept image parts of the media type "unknown"; it accepts'),
        (part("document", "application/zip", "QQ=="), '"application/zip"; it accepts images'),
        (part("document", "text/plain", "/w=="), "not UTF-8 text"),
        (part("image", "image/png"), "does not accept image parts"),
        (part("audio", "audio/wav"), "does not accept audio parts"),
        (part("document", "application/pdf"), "does not accept document parts"),
        (part("document", "text/plain"), "does not accept document parts"),
    ],
)
async def test_what_the_api_cannot_be_given_is_told_before_anything_is_sent(
    wrong: Part, told: str
) -> None:
    server = ChatServer([chunk({"content": "a"}, "stop")])
    async with serving(server) as url:
        with pytest.raises(ProviderError, match=told) as caught:
            await ask(config(url), ChatRequest("", [Message("user", "x", (wrong,))]))
    assert caught.value.message.startswith('the provider "default" (openai) ')
    assert not caught.value.retryable
    assert server.bodies == []


CALLS = (ToolCall("c1", "shoot", "{}"), ToolCall("c2", "film", "{}"))
SHOT = Message("tool", "done", (IMAGE,), tool_call_id="c1")
FILM = Message("tool", "rolled", (part("video", "video/mp4", "QQ=="),), tool_call_id="c2")
TALK = [Message("user", "go"), Message("assistant", "", tool_calls=CALLS), SHOT, FILM]


@pytest.mark.parametrize("more", [[], [Message("assistant", "well")]])
def test_media_of_tools_follow_the_results_in_a_user_message(more: list[Message]) -> None:
    sent = chat_body(CONFIG, ChatRequest("", [*TALK, *more]))["messages"]
    assert [each["role"] for each in sent[1:5]] == ["assistant", "tool", "tool", "user"]
    assert [each["content"] for each in sent[2:4]] == ["done", "rolled"]
    assert sent[4]["content"] == [
        {"type": "text", "text": "The tool call c1 returned:"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "text", "text": "The tool call c2 returned:"},
        {"type": "text", "text": "[video video/mp4: cannot be shown to you]"},
    ]
    assert len(sent) == 5 + len(more)


@pytest.mark.parametrize(
    ("mime_type", "format_"),
    [
        ("audio/mp3", "mp3"),
        ("audio/mpeg", "mp3"),
        ("audio/vnd.wave", "wav"),
        ("audio/wav", "wav"),
        ("audio/wave", "wav"),
        ("audio/x-wav", "wav"),
    ],
)
def test_a_recording_is_sent_with_its_format(mime_type: str, format_: str) -> None:
    heard = Message("user", "", (part("audio", mime_type, "QQ=="),))
    sent = chat_body(CONFIG, ChatRequest("", [heard]))["messages"][0]["content"]
    audio = {"data": "QQ==", "format": format_}
    assert sent == [{"type": "input_audio", "input_audio": audio}]


def test_a_result_holds_its_media_in_the_responses_api() -> None:
    provider = ProviderConfig("p", "vllm", "m", openai=OpenAISettings("responses"))
    sent = responses_body(provider, ChatRequest("", TALK))["input"]
    assert sent[3]["output"] == [
        {"type": "input_text", "text": "done"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
    ]


def test_text_in_the_parts_is_not_said_twice() -> None:
    message = Message("user", "a\nb", (Part("text", "a"), IMAGE, Part("text", "b")))
    content = chat_body(CONFIG, ChatRequest("", [message]))["messages"][0]["content"]
    assert [each.get("text") for each in content] == ["a", None, "b"]


def test_media_that_a_model_made_are_not_sent_back_to_it() -> None:
    said = Message("assistant", "here", (IMAGE,))
    sent = chat_body(CONFIG, ChatRequest("", [said]))["messages"]
    assert sent == [{"role": "assistant", "content": "here"}]
