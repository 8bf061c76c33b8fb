"""Responses: as the client of OpenAI uses them, and the seven cases of Open Responses."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from omnia_facade.doors.openai.responses_request import ResponseId
from omnia_facade.runs.records import RunRecords
from omnia_facade.runs.run import Run, RunState
from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.bed import DEFAULT, LONG, opened, request, until
from tests.runtime.scripted import Mounted

PATH = "/v1/responses"
# ResponseResource of Open Responses (OpenAPI of 2026-04-24): field and types.
REQUIRED: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "object": (str,),
    "created_at": (int,),
    "completed_at": (int, type(None)),
    "status": (str,),
    "incomplete_details": (dict, type(None)),
    "model": (str,),
    "previous_response_id": (str, type(None)),
    "instructions": (str, type(None)),
    "output": (list,),
    "error": (dict, type(None)),
    "tools": (list,),
    "tool_choice": (str, dict),
    "truncation": (str,),
    "parallel_tool_calls": (bool,),
    "text": (dict,),
    "top_p": (int, float),
    "presence_penalty": (int, float),
    "frequency_penalty": (int, float),
    "top_logprobs": (int,),
    "temperature": (int, float),
    "reasoning": (dict, type(None)),
    "user": (str, type(None)),
    "usage": (dict, type(None)),
    "max_output_tokens": (int, type(None)),
    "max_tool_calls": (int, type(None)),
    "store": (bool,),
    "background": (bool,),
    "service_tier": (str,),
    "metadata": (dict,),
    "safety_identifier": (str, type(None)),
    "prompt_cache_key": (str, type(None)),
}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "the weather of a place",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
}
WEATHER_ANSWERS: dict[str, Any] = {
    "defaultResponse": DEFAULT,
    "matches": [
        {"when": "tool_result", "contains": "", "content": "It is {{tool_result}}."},
        {
            "contains": "weather",
            "tool_calls": [{"name": "get_weather", "arguments": {"location": "Bern"}}],
        },
    ],
}


@pytest.fixture
async def client(facade: Running) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="k", base_url=f"{facade.http}/v1", max_retries=0) as made:
        yield made


@pytest.fixture
async def numbered(numbered_runtime: Mounted) -> AsyncIterator[Running]:
    async with bed.doors(numbered_runtime) as served:
        yield served


@pytest.fixture(scope="module")
def weather_runtime(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A runtime whose model calls a tool that only a request declares."""
    with bed.mock_runtime(tmp_path_factory.mktemp("runtime"), WEATHER_ANSWERS) as mounted:
        yield mounted


@pytest.fixture
async def weather(weather_runtime: Mounted) -> AsyncIterator[Running]:
    async with bed.doors(weather_runtime) as served:
        yield served


async def respond(facade: Running, **body: Any) -> bed.Answer:
    return await request(facade, "POST", PATH, body)


def message(role: str, content: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def text_of(response: dict[str, Any]) -> str:
    return "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
    )


def is_response_resource(document: dict[str, Any], background: bool = False) -> None:
    for name, types in REQUIRED.items():
        assert name in document, name
        assert isinstance(document[name], types), (name, document[name])
    assert document["object"] == "response"
    assert document["background"] is background
    for item in document["output"]:
        assert {"id", "type", "status"} <= item.keys()
    if document["usage"]:
        assert document["usage"]["input_tokens_details"].keys() >= {"cached_tokens"}
        assert document["usage"]["output_tokens_details"].keys() >= {"reasoning_tokens"}


def is_stream(events: list[Any]) -> dict[str, Any]:
    """Check the rules of a stream of events, and return the last response."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    last: dict[str, Any] = events[-1]["response"]
    is_response_resource(last)
    return last


# The seven cases.


@pytest.mark.covers("openai.md#responses")
async def test_basic_response(facade: Running) -> None:
    answer = await respond(facade, model="agent", input=[message("user", "Say hello.")])
    is_response_resource(answer.body)
    assert answer.body["status"] == "completed"
    assert text_of(answer.body) == DEFAULT


@pytest.mark.covers("openai.md#responses-stream")
async def test_streaming_response(facade: Running) -> None:
    answer = await respond(facade, model="agent", input="Count from 1 to 5.", stream=True)
    last = is_stream(answer.events)
    deltas = [
        event["delta"] for event in answer.events if event["type"] == "response.output_text.delta"
    ]
    assert "".join(deltas) == text_of(last) == DEFAULT
    assert len(deltas) > 1
    assert last["status"] == "completed"
    names = [line for line in answer.content.decode().split("\n") if line.startswith("event: ")]
    assert names == [f"event: {event['type']}" for event in answer.events]


@pytest.mark.covers("openai.md#ignored")
async def test_system_prompt(facade: Running) -> None:
    said = [message("system", "You are a pirate."), message("user", "Say hello.")]
    answer = await respond(facade, model="agent", input=said, instructions="Be brief.")
    is_response_resource(answer.body)
    assert answer.body["status"] == "completed"
    assert answer.body["output"]
    assert answer.headers["Omnia-Ignored"] == "instructions, system"


@pytest.mark.covers("openai.md#request-tools")
async def test_tool_calling(weather: Running) -> None:
    answer = await respond(weather, model="agent", input="What is the weather?", tools=[WEATHER])
    is_response_resource(answer.body)
    (call,) = [item for item in answer.body["output"] if item["type"] == "function_call"]
    assert call["name"] == "get_weather"
    assert answer.body["status"] == "completed"
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    then = await respond(
        weather, model="agent", input=[output], previous_response_id=answer.body["id"]
    )
    assert text_of(then.body) == "It is sunny."
    assert then.body["previous_response_id"] == answer.body["id"]


@pytest.mark.covers("openai.md#client-tools")
async def test_tool_calling_streaming(weather: Running) -> None:
    answer = await respond(
        weather, model="agent", input="What is the weather?", tools=[WEATHER], stream=True
    )
    last = is_stream(answer.events)
    names = [event["type"] for event in answer.events]
    added = answer.events[names.index("response.output_item.added")]
    assert added["item"]["type"] == "function_call"
    assert "response.function_call_arguments.delta" in names
    done = answer.events[names.index("response.function_call_arguments.done")]
    assert (done["name"], done["arguments"]) == ("get_weather", '{"location":"Bern"}')
    assert last["output"] == [answer.events[names.index("response.output_item.done")]["item"]]
    assert last["tools"] == [{**WEATHER, "strict": None}]


@pytest.mark.covers("openai.md#media")
async def test_image_input(facade: Running) -> None:
    content = [
        {"type": "input_text", "text": "What do you see?"},
        {"type": "input_image", "image_url": PIXEL},
    ]
    answer = await respond(facade, model="agent", input=[message("user", content)])
    is_response_resource(answer.body)
    assert answer.body["status"] == "completed"


@pytest.mark.covers("openai.md#seed")
async def test_multi_turn(numbered: Running) -> None:
    said = [
        message("user", "My name is Alice."),
        message("assistant", "Hello Alice! Nice to meet you."),
        message("user", "What is my name?"),
    ]
    answer = await respond(numbered, model="agent", input=said)
    is_response_resource(answer.body)
    assert text_of(answer.body) == "This is turn 2."


# Conversations.


@pytest.mark.covers("openai.md#previous")
async def test_a_conversation_goes_on_after_its_last_response(numbered: Running) -> None:
    first = await respond(numbered, input="a")
    second = await respond(numbered, input="b", previous_response_id=first.body["id"])
    assert [text_of(answer.body) for answer in (first, second)] == [
        "This is turn 1.",
        "This is turn 2.",
    ]
    assert first.body["conversation"] == second.body["conversation"]
    forked = await respond(numbered, input="c", previous_response_id=first.body["id"])
    assert forked.status == 400
    assert forked.body["error"]["code"] == "previous_response_not_last"
    third = await respond(numbered, input="c", previous_response_id=second.body["id"])
    assert text_of(third.body) == "This is turn 3."


@pytest.mark.covers("openai.md#conversation")
@pytest.mark.parametrize("as_object", [False, True])
async def test_a_conversation_has_the_id_of_its_session(numbered: Running, as_object: bool) -> None:
    name = f"conv-{as_object}"
    named = {"id": name} if as_object else name
    for turn in (1, 2):
        answer = await respond(numbered, input="a", conversation=named)
        assert text_of(answer.body) == f"This is turn {turn}."
        assert answer.headers["Omnia-Session-Id"] == name
        assert answer.body["conversation"] == {"id": name}
    both = await respond(
        numbered, input="a", conversation=named, previous_response_id=answer.body["id"]
    )
    assert both.status == 400


async def test_history_in_the_input_goes_on_with_its_session(numbered: Running) -> None:
    first = await respond(numbered, input="a", store=False)
    said = [message("user", "a"), *first.body["output"], message("user", "b")]
    second = await respond(numbered, input=said, store=False)
    assert text_of(second.body) == "This is turn 2."
    assert second.body["conversation"] == first.body["conversation"]


# Reading, streaming again, cancelling, deleting.


@pytest.mark.covers("openai.md#read", "openai.md#delete")
async def test_a_response_is_read_and_deleted(client: AsyncOpenAI) -> None:
    made = await client.responses.create(model="agent", input="hi", metadata={"a": "b"})
    read = await client.responses.retrieve(made.id)
    assert read.output_text == made.output_text == DEFAULT
    assert read.metadata == {"a": "b"}
    await client.responses.delete(made.id)
    for attempt in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            await attempt(made.id)


@pytest.mark.covers("openai.md#input-items")
async def test_the_input_of_a_response_is_listed(client: AsyncOpenAI) -> None:
    said: Any = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    made = await client.responses.create(model="agent", input=said)
    pages = await client.responses.input_items.list(made.id, order="asc", limit=1)
    items: list[Any] = [item async for item in pages]
    assert [item.content[0].text for item in items] == ["one", "two"]


@pytest.mark.covers("openai.md#background", "openai.md#starting-after")
async def test_a_response_in_the_background_goes_on_and_is_streamed_from_where_it_broke_off(
    facade: Running,
) -> None:
    body = {"input": "slowly please", "background": True, "stream": True}
    seen: list[Any] = []
    async with opened(facade, PATH, body) as response:
        content = b""
        async for line in response.content:
            content += line
            if content.count(b"output_text.delta\n") == 3 and line == b"\n":
                break
        seen = list(bed.events_of(content))
    response_id = seen[0]["response"]["id"]
    last = seen[-1]["sequence_number"]
    rest = await request(facade, "GET", f"{PATH}/{response_id}?stream=true&starting_after={last}")
    events = [*seen, *rest.events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    final = events[-1]["response"]
    is_response_resource(final, background=True)
    text = "".join(
        event["delta"] for event in events if event["type"] == "response.output_text.delta"
    )
    assert text == text_of(final) == LONG
    # It is kept, too.
    read = await request(facade, "GET", f"{PATH}/{response_id}")
    assert text_of(read.body) == LONG


async def test_a_response_in_the_background_is_polled(client: AsyncOpenAI) -> None:
    made = await client.responses.create(model="agent", input="slowly please", background=True)
    assert made.status == "in_progress"

    async def is_over() -> bool:
        found = await client.responses.retrieve(made.id)
        return found.status == "completed" and found.output_text == LONG

    await until(is_over)


async def test_a_response_in_the_background_may_wait_for_the_client(weather: Running) -> None:
    made = await respond(weather, input="the weather?", tools=[WEATHER], background=True)
    path = f"{PATH}/{made.body['id']}"

    async def waits() -> bool:
        found = (await request(weather, "GET", path)).body
        return any(item["type"] == "function_call" for item in found["output"])

    await until(waits)


@pytest.mark.covers("openai.md#cancel")
async def test_a_response_is_cancelled_with_what_was_said(client: AsyncOpenAI) -> None:
    made = await client.responses.create(model="agent", input="slowly please", background=True)

    async def has_begun() -> bool:
        return "word0" in (await client.responses.retrieve(made.id)).output_text

    await until(has_begun)
    cancelled = await client.responses.cancel(made.id)
    assert cancelled.status == "cancelled"
    assert LONG.startswith(cancelled.output_text)
    assert cancelled.output_text
    # Another time it stays as it is.
    assert (await client.responses.cancel(made.id)).status == "cancelled"


@pytest.mark.covers("openai.md#unknown-response")
@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        ("GET", "?stream=true"),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("GET", "/input_items"),
    ],
)
async def test_an_unknown_response_is_not_found(facade: Running, method: str, rest: str) -> None:
    for name in ("resp_1", str(ResponseId("s", "0" * 32))):
        answer = await request(facade, method, f"{PATH}/{name}{rest}")
        assert answer.status == 404
        assert answer.body["error"]["code"] in ("response_not_found", "not_found")


async def test_the_client_of_openai_reads_the_stream(client: AsyncOpenAI) -> None:
    async with client.responses.stream(model="agent", input="hi") as stream:
        names = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert names[0] == "response.created"
    assert final.output_text == DEFAULT
    assert final.usage is not None


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a format": ({"text": {"format": {"type": "json_object"}}}, "text.format"),
    "a prompt": ({"prompt": {"id": "p"}}, "prompt"),
    "logprobs": ({"top_logprobs": 3}, "top_logprobs"),
    "a tool of the vendor": ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
    "a reference": ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
}


@pytest.mark.covers("openai.md#unsupported")
@pytest.mark.parametrize(("fields", "param"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_cannot_be_honoured_is_refused(
    facade: Running, fields: dict[str, Any], param: str
) -> None:
    answer = await respond(facade, **{"input": "hi", **fields})
    assert answer.status == 400
    assert answer.body["error"]["code"] == "unsupported_parameter"
    assert answer.body["error"]["param"] == param


async def test_a_failed_turn_fails_its_response(facade: Running) -> None:
    answer = await respond(facade, input="please fail")
    assert answer.status >= 500
    assert answer.headers["x-should-retry"] == "false"
    made = await respond(facade, input="please fail", background=True)
    path = f"{PATH}/{made.body['id']}"

    async def has_failed() -> bool:
        found = (await request(facade, "GET", path)).body
        return bool(found["status"] == "failed" and found["error"]["message"])

    await until(has_failed)


async def test_a_turn_that_is_recorded_slowly_loses_nothing_of_its_response(
    facade: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(_: RunRecords, run: Run) -> None:
        await asyncio.sleep(0.1)
        assert run.state is RunState.SUBMITTED

    monkeypatch.setattr(RunRecords, "recorded", slow)
    for _ in range(5):
        made = await respond(facade, input="hi", background=True)
        path = f"{PATH}/{made.body['id']}"

        async def has_answered(path: str = path) -> bool:
            found = await request(facade, "GET", path)
            assert found.status == 200, found.body
            return bool(found.body["status"] == "completed")

        await until(has_answered)
        whole = (await request(facade, "GET", path)).body
        assert whole["output"][0]["content"][0]["text"] == DEFAULT


async def test_many_readers_of_one_response_read_the_same(facade: Running) -> None:
    made = await respond(facade, input="slowly please", background=True)
    path = f"{PATH}/{made.body['id']}?stream=true"
    answers = await asyncio.gather(*(request(facade, "GET", path) for _ in range(4)))
    assert len({answer.content.replace(b": keep-alive\n\n", b"") for answer in answers}) == 1
