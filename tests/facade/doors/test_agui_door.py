"""AG-UI on the wire: runs, tools of the server and of the client, histories sent in full."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.bed import DEFAULT, LONG, opened, request, until
from tests.runtime.scripted import Mounted

PATH = "/ag-ui"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
async def numbered(numbered_runtime: Mounted) -> AsyncIterator[Running]:
    async with bed.doors(numbered_runtime) as served:
        yield served


def user(text: Any, number: int = 1) -> dict[str, Any]:
    return {"id": f"u{number}", "role": "user", "content": text}


def run_input(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = {"threadId": "t-1", "runId": "r-1", "tools": [], "context": []}
    return {**given, "messages": list(messages), **more}


async def run(facade: Running, *messages: dict[str, Any], **more: Any) -> bed.Answer:
    return await request(facade, "POST", PATH, run_input(*messages, **more))


def types(answer: bed.Answer) -> list[str]:
    return [event["type"] for event in answer.events]


def text_of(answer: bed.Answer) -> str:
    return "".join(
        event["delta"] for event in answer.events if event["type"] == "TEXT_MESSAGE_CONTENT"
    )


def messages_of(answer: bed.Answer) -> list[dict[str, Any]]:
    """Return the messages that a client makes of the events, as it sends them back."""
    made: list[dict[str, Any]] = []
    for event in answer.events:
        match event["type"]:
            case "TEXT_MESSAGE_START":
                made.append({"id": event["messageId"], "role": "assistant", "content": ""})
            case "TEXT_MESSAGE_CONTENT":
                made[-1]["content"] += event["delta"]
            case "TOOL_CALL_START":
                function = {"name": event["toolCallName"], "arguments": ""}
                call = {"id": event["toolCallId"], "type": "function", "function": function}
                made.append({"id": event["toolCallId"], "role": "assistant", "toolCalls": [call]})
            case "TOOL_CALL_ARGS":
                made[-1]["toolCalls"][0]["function"]["arguments"] += event["delta"]
            case "TOOL_CALL_RESULT":
                tool = {"id": event["messageId"], "role": "tool", "content": event["content"]}
                made.append({**tool, "toolCallId": event["toolCallId"]})
            case _:
                pass
    return made


def is_well_formed(answer: bed.Answer) -> None:
    """Check what the protocol forbids: null, unordered events, open messages at the end."""
    assert answer.events[0]["type"] in ("RUN_STARTED", "RUN_ERROR")
    assert answer.events[-1]["type"] in ("RUN_FINISHED", "RUN_ERROR")
    open_ids: set[str] = set()
    for event in answer.events:
        assert None not in event.values()
        kind = event["type"]
        if kind.endswith("_START"):
            open_ids.add(event.get("messageId") or event["toolCallId"])
        elif kind.endswith("_END"):
            open_ids.remove(event.get("messageId") or event["toolCallId"])
        elif kind == "RUN_FINISHED":
            assert not open_ids


@pytest.mark.covers("agui.md#run", "agui.md#thread")
async def test_a_run_is_started_said_and_finished(facade: Running) -> None:
    answer = await run(facade, user("hi"))
    is_well_formed(answer)
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Omnia-Session-Id"] == "t-1"
    assert text_of(answer) == DEFAULT
    names = types(answer)
    assert names[:2] == ["RUN_STARTED", "TEXT_MESSAGE_START"]
    assert names[-2:] == ["TEXT_MESSAGE_END", "RUN_FINISHED"]
    first, last = answer.events[0], answer.events[-1]
    assert (first["threadId"], first["runId"], first["protocolVersion"]) == ("t-1", "r-1", "1.0")
    assert last["outcome"] == {"type": "success"}
    assert last["usage"][0]["model"] == "agent"


@pytest.mark.covers("agui.md#history")
async def test_a_history_that_is_sent_in_full_is_not_doubled(numbered: Running) -> None:
    messages: list[dict[str, Any]] = []
    for turn in (1, 2, 3):
        messages.append(user(f"question {turn}", turn))
        answer = await run(numbered, *messages, runId=f"r-{turn}")
        is_well_formed(answer)
        assert text_of(answer) == f"This is turn {turn}."
        messages += messages_of(answer)
    ids = [message["id"] for message in messages]
    assert len(set(ids)) == len(ids)


@pytest.mark.covers("agui.md#seed")
async def test_a_history_of_another_server_begins_a_thread(numbered: Running) -> None:
    before = {"id": "a1", "role": "assistant", "content": "Hello Alice!"}
    answer = await run(
        numbered, user("My name is Alice."), before, user("My name?", 2), threadId="moved"
    )
    assert text_of(answer) == "This is turn 2."


@pytest.mark.covers("agui.md#client-tools", "agui.md#pending")
async def test_a_tool_of_the_client_is_answered_by_the_next_run(facade: Running) -> None:
    asked = await run(facade, user("pick one"))
    is_well_formed(asked)
    names = types(asked)
    assert names == [
        "RUN_STARTED",
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "RUN_FINISHED",
    ]
    call_id = asked.events[1]["toolCallId"]
    outcome = asked.events[-1]["outcome"]
    assert outcome == {"type": "success", "pendingToolCallIds": [call_id]}
    result = {"id": "x1", "role": "tool", "toolCallId": call_id, "content": '{"day":7}'}
    messages = [user("pick one"), *messages_of(asked), result]
    answered = await run(facade, *messages, runId="r-2")
    is_well_formed(answered)
    # The client knows its own result.
    assert "TOOL_CALL_RESULT" not in types(answered)
    assert text_of(answered).startswith("You picked")
    assert answered.events[0]["runId"] == "r-2"
    # The next message is not taken for a result.
    further = await run(facade, *messages, *messages_of(answered), user("hi", 2), runId="r-3")
    assert text_of(further) == DEFAULT


@pytest.mark.covers("agui.md#refused-tool")
async def test_a_tool_that_the_client_refuses_is_told_to_the_model(facade: Running) -> None:
    asked = await run(facade, user("pick one"))
    call_id = asked.events[1]["toolCallId"]
    result = {"id": "x1", "role": "tool", "toolCallId": call_id, "content": "", "error": "no time"}
    answered = await run(facade, user("pick one"), *messages_of(asked), result)
    assert "no time" in text_of(answered)


@pytest.mark.covers("agui.md#resume")
async def test_an_interrupt_is_resumed_by_the_id_of_its_call(facade: Running) -> None:
    asked = await run(facade, user("pick one"))
    resume = [
        {
            "interruptId": asked.events[1]["toolCallId"],
            "status": "resolved",
            "payload": {"day": 8},
        }
    ]
    answered = await run(facade, user("pick one"), *messages_of(asked), resume=resume)
    assert "8" in text_of(answered)


REQUEST_TOOL = {
    "name": "pick_colour",
    "description": "lets the user pick a colour",
    "parameters": {"type": "object", "properties": {"shade": {"type": "string"}}},
}
COLOURS: dict[str, Any] = {
    "defaultResponse": DEFAULT,
    "matches": [
        {"when": "tool_result", "contains": "", "content": "You picked {{tool_result}}."},
        {
            "contains": "colour",
            "tool_calls": [{"name": "pick_colour", "arguments": {"shade": "dark"}}],
        },
    ],
}


@pytest.mark.covers("agui.md#request-tools")
async def test_tools_that_the_frontend_declares_are_offered_to_the_model(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with bed.mock_runtime(tmp_path_factory.mktemp("runtime"), COLOURS) as mounted:
        async with bed.doors(mounted) as facade:
            asked = await run(facade, user("which colour?"), tools=[REQUEST_TOOL])
            assert asked.events[1]["toolCallName"] == "pick_colour"
            assert json.loads(asked.events[2]["delta"]) == {"shade": "dark"}
            result = {"id": "x", "role": "tool", "content": "red"}
            answered = await run(
                facade,
                user("which colour?"),
                *messages_of(asked),
                {**result, "toolCallId": asked.events[1]["toolCallId"]},
                tools=[REQUEST_TOOL],
            )
            assert text_of(answered) == "You picked red."


@pytest.mark.covers("agui.md#ignored")
async def test_what_has_no_effect_is_told(facade: Running) -> None:
    answer = await run(facade, user("hi"), state={"page": 3})
    assert answer.events[1] == {"type": "CUSTOM", "name": "omnia.ignored", "value": ["state"]}


@pytest.mark.covers("agui.md#context")
async def test_the_context_is_told_to_the_agent(facade: Running) -> None:
    context = [{"description": "the word", "value": "slowly"}]
    answer = await run(facade, user("hi"), context=context)
    # The mock answers a message with this word with the long text.
    assert text_of(answer) == LONG


@pytest.mark.covers("agui.md#media")
async def test_media_of_the_user_reach_the_agent(facade: Running) -> None:
    image = {"type": "image", "source": {"type": "data", "value": PIXEL, "mimeType": "image/png"}}
    answer = await run(facade, user([{"type": "text", "text": "hi"}, image]))
    assert types(answer)[-1] == "RUN_FINISHED"


@pytest.mark.covers("agui.md#failed")
async def test_a_run_that_fails_ends_with_its_error(facade: Running) -> None:
    answer = await run(facade, user("please fail"))
    is_well_formed(answer)
    assert answer.events[-1]["type"] == "RUN_ERROR"
    assert {"message", "code"} <= answer.events[-1].keys()


@pytest.mark.covers("agui.md#disconnect")
async def test_a_run_whose_client_is_gone_is_cancelled(facade: Running) -> None:
    async with opened(facade, PATH, run_input(user("slowly please"))) as response:
        async for line in response.content:
            if b"word1" in line:
                break

    async def is_free() -> bool:
        return text_of(await run(facade, user("hi"))) == DEFAULT

    await until(is_free)


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "no thread": ({"threadId": None}, "threadId"),
    "a thread that is no session id": ({"threadId": "a b"}, "threadId has 1 to 128"),
    "no run": ({"runId": ""}, "runId"),
    "nothing to answer": ({"messages": []}, "messages: expected a message of the user"),
    "an unknown role": ({"messages": [{"id": "x", "role": "robot"}]}, '"robot"'),
    "a part without its source": (
        {"messages": [user([{"type": "image"}])]},
        "messages[0].content[0].source",
    ),
    "too many tools": ({"tools": [REQUEST_TOOL] * 129}, "at most 128"),
    "a schema that is none": ({"tools": [{**REQUEST_TOOL, "parameters": 3}]}, "tools[0]"),
}


@pytest.mark.covers("agui.md#invalid")
@pytest.mark.parametrize(("fields", "found"), INVALID.values(), ids=INVALID.keys())
async def test_a_wrong_request_is_told_what_is_wrong(
    facade: Running, fields: dict[str, Any], found: str
) -> None:
    answer = await request(facade, "POST", PATH, {**run_input(user("hi")), **fields})
    assert answer.status == 400
    assert answer.body["code"] == "INVALID_MESSAGE"
    assert found in answer.body["message"]


@pytest.mark.covers("agui.md#capabilities")
async def test_the_agent_says_what_it_can(facade: Running) -> None:
    answer = await request(facade, "GET", f"{PATH}/capabilities")
    assert answer.body["identity"]["name"] == "agent"
    assert answer.body["tools"]["clientProvided"] is True
    assert (await request(facade, "GET", PATH)).status == 405
