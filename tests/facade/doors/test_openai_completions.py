"""Chat completions, as OpenAI's own client for Python uses them, and as others do on the wire."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.bed import DEFAULT, LONG, opened, request, until
from tests.runtime.scripted import Mounted

PATH = "/v1/chat/completions"


def user(text: Any) -> Any:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


@pytest.fixture
async def client(facade: Running) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="k", base_url=f"{facade.http}/v1", max_retries=0) as made:
        yield made


@pytest.fixture
async def numbered(numbered_runtime: Mounted) -> AsyncIterator[Running]:
    async with bed.doors(numbered_runtime) as served:
        yield served


async def complete(facade: Running, messages: list[Any], **more: Any) -> bed.Answer:
    headers = more.pop("headers", None)
    return await request(facade, "POST", PATH, {"messages": messages, **more}, headers)


async def post(facade: Running, body: bytes) -> bed.Answer:
    headers = {"Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(facade.http + PATH, data=body, headers=headers) as response,
    ):
        return bed.Answer(response.status, response.headers, await response.read())


def said(answer: bed.Answer) -> str:
    return str(answer.body["choices"][0]["message"]["content"])


@pytest.mark.covers("openai.md#models")
async def test_the_agent_is_the_one_model(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["agent"]
    found = await client.models.retrieve("agent")
    assert (found.id, found.object, found.owned_by) == ("agent", "model", "default")
    with pytest.raises(openai.NotFoundError) as unknown:
        await client.models.retrieve("gpt-9")
    assert unknown.value.code == "model_not_found"


@pytest.mark.covers("openai.md#model-names")
@pytest.mark.parametrize(
    ("model", "status"),
    [("agent", 200), ("default", 200), ("omnia/default/agent", 200), ("", 200), ("gpt-9", 404)],
)
async def test_a_model_has_the_name_of_the_agent(facade: Running, model: str, status: int) -> None:
    assert (await complete(facade, [user("hi")], model=model)).status == status


@pytest.mark.covers("openai.md#completions")
async def test_a_whole_answer(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="agent", messages=[user("hi")])
    assert answer.choices[0].message.content == DEFAULT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.id.startswith("chatcmpl-")


@pytest.mark.covers("openai.md#completions-stream", "openai.md#include-usage")
@pytest.mark.parametrize("include_usage", [False, True])
async def test_a_stream_has_a_usage_only_if_it_is_asked_for(
    facade: Running, include_usage: bool
) -> None:
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    answer = await complete(facade, [user("hi")], model="agent", stream=True, **options)
    *chunks, last = answer.events
    assert last == "[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    with_choices = [chunk for chunk in chunks if chunk["choices"]]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in with_choices)
    assert text == DEFAULT
    assert with_choices[-1]["choices"][0]["finish_reason"] == "stop"
    if include_usage:
        assert {chunk["usage"] for chunk in with_choices} == {None}
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["total_tokens"] >= 0
    else:
        assert with_choices == chunks
        assert not any("usage" in chunk for chunk in chunks)


async def test_the_client_of_openai_reads_the_stream(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="agent",
        messages=[user("hi")],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == DEFAULT
    assert chunks[-1].usage is not None


@pytest.mark.covers("openai.md#session-header", "openai.md#session-metadata")
async def test_a_session_is_named_by_a_header_or_by_the_metadata(numbered: Running) -> None:
    first = await complete(numbered, [user("a")], headers={"Omnia-Session-Id": "s-1"})
    assert first.headers["Omnia-Session-Id"] == "s-1"
    assert first.headers["Omnia-Run-Id"]
    second = await complete(numbered, [user("b")], metadata={"session_id": "s-1"})
    assert (said(first), said(second)) == ("This is turn 1.", "This is turn 2.")
    refused = await complete(numbered, [user("a")], headers={"Omnia-Session-Id": "a b"})
    assert refused.status == 400


@pytest.mark.covers("openai.md#lineage")
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_knows_no_ids_goes_on_with_its_session(
    numbered: Running, stream: bool
) -> None:
    # Open WebUI sends a system message first, and all messages every time.
    messages: list[dict[str, Any]] = [{"role": "system", "content": "It is Monday."}]
    sessions = set()
    for turn in (1, 2, 3):
        messages.append(user(f"question {turn}"))
        messages[0] = {"role": "system", "content": f"It is {turn} o'clock."}
        answer = await complete(numbered, messages, model="agent", stream=stream)
        sessions.add(answer.headers["Omnia-Session-Id"])
        assert answer.headers["Omnia-Ignored"] == "system"
        text = (
            "".join(
                chunk["choices"][0]["delta"].get("content", "")
                for chunk in answer.events[:-1]
                if chunk["choices"]
            )
            if stream
            else said(answer)
        )
        assert text == f"This is turn {turn}."
        # Clients trim what they keep.
        messages.append(assistant(f"{text}\n"))
    assert len(sessions) == 1


@pytest.mark.covers("openai.md#fork")
async def test_an_edited_message_begins_another_session_with_the_same_history(
    numbered: Running,
) -> None:
    first = await complete(numbered, [user("a")])
    before = [user("a"), assistant(said(first))]
    second = await complete(numbered, [*before, user("b")])
    edited = await complete(numbered, [*before, user("c")])
    assert said(second) == said(edited) == "This is turn 2."
    ids = [answer.headers["Omnia-Session-Id"] for answer in (first, second, edited)]
    assert ids[0] == ids[1] != ids[2]
    # Both go on, each in its own session.
    further = await complete(numbered, [*before, user("c"), assistant(said(edited)), user("d")])
    assert further.headers["Omnia-Session-Id"] == ids[2]
    assert said(further) == "This is turn 3."


@pytest.mark.covers("openai.md#seed")
async def test_a_history_of_another_server_begins_a_session(numbered: Running) -> None:
    messages = [user("My name is Alice."), assistant("Hello Alice!"), user("What is my name?")]
    answer = await complete(numbered, messages)
    assert said(answer) == "This is turn 2."


async def test_two_conversations_that_begin_alike_stay_apart(numbered: Running) -> None:
    one, two = [(await complete(numbered, [user("hi")])) for _ in range(2)]
    assert one.headers["Omnia-Session-Id"] != two.headers["Omnia-Session-Id"]
    before = [user("hi"), assistant(said(one))]
    ids = set()
    for text in ("x", "y"):
        answer = await complete(numbered, [*before, user(text)])
        ids.add(answer.headers["Omnia-Session-Id"])
        assert said(answer) == "This is turn 2."
    assert ids == {one.headers["Omnia-Session-Id"], two.headers["Omnia-Session-Id"]}


PICK = {
    "type": "function",
    "function": {
        "name": "choose_colour",
        "description": "asks the user for a colour",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
    },
}


@pytest.mark.covers("openai.md#client-tools")
@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_of_the_client_waits_for_its_message(facade: Running, stream: bool) -> None:
    asked = await complete(facade, [user("pick one")], stream=stream)
    if stream:
        chunks = [chunk for chunk in asked.events[:-1] if chunk["choices"]]
        assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
        (call,) = chunks[-2]["choices"][0]["delta"]["tool_calls"]
        assert call.pop("index") == 0
    else:
        choice = asked.body["choices"][0]
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "pick_date"
    told = [
        user("pick one"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "7 May"},
    ]
    answered = await complete(facade, told)
    assert said(answered) == "You picked 7 May."
    assert answered.headers["Omnia-Session-Id"] == asked.headers["Omnia-Session-Id"]
    # And the conversation goes on.
    further = await complete(facade, [*told, assistant(said(answered)), user("thanks")])
    assert further.headers["Omnia-Session-Id"] == asked.headers["Omnia-Session-Id"]


@pytest.mark.covers("openai.md#late-result")
async def test_a_result_for_which_nothing_waits_is_told_as_a_message(facade: Running) -> None:
    call = {"id": "c9", "type": "function", "function": {"name": "pick_date", "arguments": "{}"}}
    messages = [
        user("when?"),
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c9", "content": "slowly"},
    ]
    # The mock answers a message with this word with the long text.
    assert said(await complete(facade, messages)) == LONG


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "n": ({"n": 2}, "n"),
    "logprobs": ({"logprobs": True}, "logprobs"),
    "a format": ({"response_format": {"type": "json_object"}}, "response_format"),
    "audio": ({"modalities": ["text", "audio"]}, "modalities"),
    "functions": ({"functions": []}, "functions"),
    "a forced tool": ({"tools": [PICK], "tool_choice": "required"}, "tool_choice"),
    "a tool of the vendor": ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    "a stored file": (
        {"messages": [user([{"type": "file", "file": {"file_id": "f"}}])]},
        "messages[0].content[0]",
    ),
}


@pytest.mark.covers("openai.md#unsupported")
@pytest.mark.parametrize(("fields", "param"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_would_change_the_form_of_the_answer_is_refused(
    facade: Running, fields: dict[str, Any], param: str
) -> None:
    answer = await request(facade, "POST", PATH, {"messages": [user("hi")], **fields})
    assert answer.status == 400
    error = answer.body["error"]
    assert (error["code"], error["param"]) == ("unsupported_parameter", param)
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.covers("openai.md#ignored")
async def test_what_the_agent_decides_is_ignored_and_told(facade: Running) -> None:
    answer = await complete(facade, [user("hi")], temperature=0.1, max_tokens=5, n=1, stop=None)
    assert answer.status == 200
    assert answer.headers["Omnia-Ignored"] == "temperature, max_tokens"


INVALID: dict[str, tuple[bytes, str, str]] = {
    "no JSON": (b"{", "invalid_json", ""),
    "too deep": (b'{"messages":' + b"[" * 1000, "invalid_json", ""),
    "no messages": (b"{}", "invalid_type", ""),
    "messages that are no list": (b'{"messages":3}', "invalid_type", "messages"),
    "nothing to answer": (b'{"messages":[]}', "invalid_value", "messages"),
    "the agent's word last": (
        b'{"messages":[{"role":"assistant","content":"x"}]}',
        "invalid_value",
        "messages",
    ),
    "an unknown role": (
        b'{"messages":[{"role":"robot","content":"x"}]}',
        "invalid_value",
        "messages[0].role",
    ),
    "a result without its call": (
        b'{"messages":[{"role":"tool","content":"x"}]}',
        "invalid_value",
        "messages[0].tool_call_id",
    ),
    "an unknown part": (
        b'{"messages":[{"role":"user","content":[{"type":"smell"}]}]}',
        "invalid_value",
        "messages[0].content[0].type",
    ),
}


@pytest.mark.covers("openai.md#errors")
@pytest.mark.parametrize(("body", "code", "param"), INVALID.values(), ids=INVALID.keys())
async def test_a_wrong_request_is_told_what_is_wrong(
    facade: Running, body: bytes, code: str, param: str
) -> None:
    answer = await post(facade, body)
    assert answer.status == 400
    error = answer.body["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", code)
    assert (error["param"] or "") == param


@pytest.mark.covers("openai.md#media")
async def test_an_image_of_the_user_reaches_the_agent(facade: Running) -> None:
    pixel = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
        "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    content = [
        {"type": "text", "text": "hi"},
        {"type": "image_url", "image_url": {"url": pixel, "detail": "low"}},
    ]
    answer = await complete(facade, [{"role": "user", "content": content}])
    assert answer.status == 200, answer.content


@pytest.mark.covers("openai.md#disconnect")
async def test_an_answer_whose_client_is_gone_is_cancelled_and_can_be_asked_for_again(
    facade: Running,
) -> None:
    first = await complete(facade, [user("hi")])
    messages = [user("hi"), assistant(said(first)), user("slowly please")]
    async with opened(facade, PATH, {"messages": messages, "stream": True}) as response:
        async for line in response.content:
            if b"word1" in line:
                break

    async def is_free() -> bool:
        again = await complete(facade, messages)
        assert again.status in (200, 409)
        same = again.headers.get("Omnia-Session-Id") == first.headers["Omnia-Session-Id"]
        return again.status == 200 and same

    await until(is_free)


@pytest.mark.covers("openai.md#failed-stream")
async def test_a_stream_that_fails_has_no_regular_end(facade: Running) -> None:
    answer = await complete(facade, [user("please fail")], stream=True)
    assert answer.status == 200
    assert answer.events[-1]["error"]["type"] == "server_error"
    assert "[DONE]" not in answer.events
