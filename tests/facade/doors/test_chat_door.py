"""The AI SDK's door, as its clients use it on the wire."""

from typing import Any

import pytest

from tests.facade.conftest import Running
from tests.facade.doors.bed import DEFAULT, LONG, opened, request, until


def said(text: str, **more: Any) -> dict[str, Any]:
    message = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": "chat-1", "messages": [message], "trigger": "submit-message", **more}


def text_of(events: list[Any]) -> str:
    return "".join(
        event["delta"] for event in events if event != "[DONE]" and event["type"] == "text-delta"
    )


def types(events: list[Any]) -> list[str]:
    return [event if event == "[DONE]" else event["type"] for event in events]


@pytest.mark.covers(
    "chat.md#start", "chat.md#text", "chat.md#end", "doors.md#headers", "doors.md#client-minted"
)
async def test_a_message_is_answered_as_a_ui_message_stream(facade: Running) -> None:
    answer = await request(facade, "POST", "/api/chat", said("hello"))

    assert answer.status == 200
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert answer.headers["Omnia-Session-Id"] == "chat-1"
    assert answer.headers["Omnia-Run-Id"]
    assert text_of(answer.events) == DEFAULT
    names = types(answer.events)
    assert names[:2] == ["start", "start-step"]
    assert names[-4:] == ["finish-step", "data-session", "finish", "[DONE]"]


@pytest.mark.covers("chat.md#resume", "chat.md#nothing-to-resume")
async def test_a_stream_goes_on_without_its_client_and_is_read_again(facade: Running) -> None:
    async with opened(facade, "/api/chat", said("slowly please")) as response:
        async for line in response.content:
            if b"text-delta" in line:
                break
    again = await request(facade, "GET", "/api/chat/chat-1/stream")

    assert text_of(again.events) == LONG
    assert types(again.events)[-1] == "[DONE]"
    assert (await request(facade, "GET", "/api/chat/chat-1/stream")).status == 204


@pytest.mark.covers("chat.md#stop")
async def test_stop_ends_a_turn_and_keeps_what_was_said(facade: Running) -> None:
    async with opened(facade, "/api/chat", said("slowly please")) as response:
        events = b""
        async for line in response.content:
            events += line
            if b"text-delta" in line:
                stopped = await request(facade, "POST", "/api/chat/chat-1/stop")
                assert stopped.status == 204
    assert b'"type":"abort"' in events

    async def is_over() -> bool:
        return (await request(facade, "GET", "/api/chat/chat-1/stream")).status == 204

    await until(is_over)


@pytest.mark.covers("chat.md#page-tool", "doors.md#client-tool")
async def test_a_client_tool_parks_the_turn_until_its_result_comes(facade: Running) -> None:
    asked = await request(facade, "POST", "/api/chat", said("pick one"))
    call = next(event for event in asked.events if event["type"] == "tool-input-available")
    assert "providerExecuted" not in call
    assert asked.events[-2] == {"type": "finish", "finishReason": "tool-calls"}

    part = {
        "type": "tool-pick_date",
        "toolCallId": call["toolCallId"],
        "state": "output-available",
        "input": call["input"],
        "output": {"day": 7},
    }
    body = said("pick one")
    body["messages"].append({"id": "a1", "role": "assistant", "parts": [part]})
    answered = await request(facade, "POST", "/api/chat", body)

    assert "You picked" in text_of(answered.events)
    assert answered.events[0]["messageId"] == asked.events[0]["messageId"]


@pytest.mark.covers("chat.md#memory-history")
async def test_the_history_of_a_session_in_memory_is_told_by_the_runtime(facade: Running) -> None:
    for text in ("hello", "hello again"):
        body = said(text, id="in-memory")
        # The same id would be the same message.
        body["messages"][0]["id"] = text
        answered = await request(facade, "POST", "/api/chat", body)
        assert types(answered.events)[-1] == "[DONE]"
    history = await request(facade, "GET", "/api/chat/in-memory")
    assert history.status == 200
    messages = history.body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2
    assert messages[0]["parts"] == [{"type": "text", "text": "hello", "state": "done"}]
    assert messages[1]["parts"][1]["text"] == DEFAULT
    assert messages[1]["metadata"] == {"finishReason": "stop"}
    unknown = await request(facade, "GET", "/api/chat/nobody")
    assert unknown.status == 404
