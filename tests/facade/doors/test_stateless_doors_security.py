"""Users at the OpenAI and AG-UI doors: what one has, another does not find; and what is not said
twice.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from omnia_core.files.auth import AuthFile, EdgeTrust
from tests.facade.auth_files import Mounted as MountedAuth
from tests.facade.conftest import Running, running
from tests.facade.doors import bed
from tests.facade.doors.bed import request
from tests.facade.scripted_runtime import ScriptedRuntime, serving
from tests.runtime.scripted import Mounted

ANN = {"x-user-id": "ann"}
BOB = {"x-user-id": "bob"}
COMPLETIONS = "/v1/chat/completions"
RESPONSES = "/v1/responses"


@pytest.fixture
async def guarded(numbered_runtime: Mounted, tmp_path: Path) -> AsyncIterator[Running]:
    """A facade that knows its users by a header of a trusted proxy."""
    auth = MountedAuth(tmp_path)
    auth.rules(AuthFile(edge_trust=EdgeTrust(subject="x-user-id")))
    async with bed.doors(
        numbered_runtime,
        auth_path=str(auth.auth),
        auth_secrets_path=str(auth.secrets),
        allow_unauthenticated=False,
    ) as served:
        yield served


def said(answer: bed.Answer) -> str:
    return str(answer.body["choices"][0]["message"]["content"])


async def complete(
    facade: Running, user: dict[str, str], messages: list[Any], session: str = ""
) -> bed.Answer:
    headers = {**user, **({"Omnia-Session-Id": session} if session else {})}
    return await request(facade, "POST", COMPLETIONS, {"messages": messages}, headers)


@pytest.mark.covers("openai.md#unauthorized", "agui.md#unauthorized")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("POST", COMPLETIONS),
        ("POST", RESPONSES),
        ("GET", f"{RESPONSES}/resp_a_1"),
        ("POST", "/ag-ui"),
        ("GET", "/ag-ui/capabilities"),
    ],
)
async def test_nothing_is_served_without_a_credential(
    guarded: Running, method: str, path: str
) -> None:
    answer = await request(guarded, method, path)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"]
    if path.startswith("/v1"):
        assert answer.body["error"]["code"] == "invalid_api_key"
    else:
        assert answer.body["code"] == "UNAUTHORIZED"


@pytest.mark.covers("openai.md#foreign-session", "agui.md#foreign-thread")
async def test_a_session_of_somebody_else_looks_as_if_it_had_expired(guarded: Running) -> None:
    question = [{"role": "user", "content": "a"}]
    await complete(guarded, ANN, question, "of-ann")
    refused = await complete(guarded, BOB, question, "of-ann")
    assert refused.status == 404
    assert refused.body["error"]["code"] == "session_not_found"
    body = {"input": "a", "conversation": "of-ann"}
    assert (await request(guarded, "POST", RESPONSES, body, BOB)).status == 404
    run = {
        "threadId": "of-ann",
        "runId": "r",
        "messages": [{"id": "u", "role": "user", "content": "a"}],
        "tools": [],
        "context": [],
    }
    events = (await request(guarded, "POST", "/ag-ui", run, BOB)).events
    assert events[-1]["type"] == "RUN_ERROR"
    assert events[-1]["code"] == "SESSION_EXPIRED"
    # And it goes on as if nothing had been tried.
    assert said(await complete(guarded, ANN, question, "of-ann")) == "This is turn 2."


async def test_the_same_words_of_somebody_else_are_another_conversation(
    guarded: Running,
) -> None:
    first = await complete(guarded, ANN, [{"role": "user", "content": "a"}])
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": said(first)},
        {"role": "user", "content": "b"},
    ]
    other = await complete(guarded, BOB, history)
    own = await complete(guarded, ANN, history)
    assert own.headers["Omnia-Session-Id"] == first.headers["Omnia-Session-Id"]
    assert other.headers["Omnia-Session-Id"] != first.headers["Omnia-Session-Id"]


@pytest.mark.covers("openai.md#foreign-response")
async def test_a_response_of_somebody_else_is_not_found(guarded: Running) -> None:
    made = (await request(guarded, "POST", RESPONSES, {"input": "a"}, ANN)).body
    unknown = made["id"][:-4] + "0000"
    path = f"{RESPONSES}/{made['id']}"
    for method, rest in (
        ("GET", ""),
        ("GET", "?stream=true"),
        ("GET", "/input_items"),
        ("POST", "/cancel"),
        ("DELETE", ""),
    ):
        foreign = await request(guarded, method, path + rest, headers=BOB)
        absent = await request(guarded, method, f"{RESPONSES}/{unknown}{rest}", headers=BOB)
        assert foreign.status == absent.status == 404
        told = foreign.body["error"]["message"].replace(made["id"], unknown)
        assert told == absent.body["error"]["message"]
    body = {"input": "b", "previous_response_id": made["id"]}
    assert (await request(guarded, "POST", RESPONSES, body, BOB)).status == 404
    assert (await request(guarded, "GET", path, headers=ANN)).status == 200
    assert (await request(guarded, "POST", RESPONSES, body, ANN)).status == 200


@pytest.fixture
async def scripted(runtime: ScriptedRuntime) -> AsyncIterator[Running]:
    async with (
        serving(runtime) as port,
        running(
            runtime_address=f"127.0.0.1:{port}", doors=bed.written_doors(), log_level="error"
        ) as facade,
    ):
        yield facade


async def read_completion(client: AsyncOpenAI, text: str, *, stream: bool) -> None:
    """Read an answer to its end."""
    said_now: Any = [{"role": "user", "content": text}]
    made: Any = await client.chat.completions.create(
        model="agent", messages=said_now, stream=stream
    )
    if stream:
        async for _ in made:
            pass


@pytest.mark.covers("openai.md#should-retry")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("word", ["die", "fail", "crash", "leave"])
async def test_a_client_that_repeats_by_itself_does_not_say_a_stored_message_twice(
    scripted: Running, runtime: ScriptedRuntime, word: str, stream: bool
) -> None:
    async with AsyncOpenAI(api_key="k", base_url=f"{scripted.http}/v1", max_retries=2) as client:
        with pytest.raises(openai.APIError):
            await read_completion(client, word, stream=stream)
        with pytest.raises(openai.APIError):
            await client.responses.create(model="agent", input=word)
    assert len(runtime.received) == 2


async def test_a_request_that_a_runtime_never_saw_may_be_repeated(unused_port: int) -> None:
    async with running(
        runtime_address=f"127.0.0.1:{unused_port}", doors=bed.written_doors()
    ) as facade:
        body = {"messages": [{"role": "user", "content": "hi"}]}
        answer = await request(facade, "POST", COMPLETIONS, body)
    assert answer.status == 503
    assert answer.headers["x-should-retry"] == "true"
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.covers("agui.md#server-tools")
@pytest.mark.parametrize("show", [True, False])
async def test_tools_of_the_server_are_shown_unless_they_are_hidden(
    runtime: ScriptedRuntime, show: bool
) -> None:
    async with (
        serving(runtime) as port,
        running(
            runtime_address=f"127.0.0.1:{port}", doors=bed.written_doors(), show_tools=show
        ) as facade,
    ):
        run = {
            "threadId": "t",
            "runId": "r",
            "messages": [{"id": "u", "role": "user", "content": "tools"}],
        }
        events = (await request(facade, "POST", "/ag-ui", run)).events
    names = [event["type"] for event in events]
    assert ("TOOL_CALL_RESULT" in names) is show
    if show:
        (result,) = [event for event in events if event["type"] == "TOOL_CALL_RESULT"]
        assert (result["toolCallId"], result["content"]) == ("s1", '{"b":2}')
        assert result["messageId"]


async def test_a_runtime_that_takes_no_history_is_told_it_in_words(
    scripted: Running, runtime: ScriptedRuntime
) -> None:
    messages = [
        {"role": "user", "content": "My name is Alice."},
        {"role": "assistant", "content": "Hello Alice!"},
        {"role": "user", "content": "What is my name?"},
    ]
    answer = await request(scripted, "POST", COMPLETIONS, {"messages": messages})
    assert answer.status == 200
    (received,) = runtime.received
    assert not received.history
    text = "".join(part.text for part in received.parts)
    assert text == (
        "What was said before:\n> user: My name is Alice.\n> assistant: Hello Alice!\n\n"
        "What is my name?"
    )


@pytest.mark.parametrize("path", [COMPLETIONS, RESPONSES, "/ag-ui"])
async def test_tools_that_a_runtime_does_not_take_are_told(
    scripted: Running, runtime: ScriptedRuntime, path: str
) -> None:
    function = {"name": "pick", "description": "x", "parameters": {"type": "object"}}
    said_now = {"id": "u", "role": "user", "content": "hi"}
    bodies: dict[str, Any] = {
        COMPLETIONS: {
            "messages": [said_now],
            "tools": [{"type": "function", "function": function}],
        },
        RESPONSES: {"input": "hi", "tools": [{"type": "function", **function}]},
        "/ag-ui": {"threadId": "t", "runId": "r", "messages": [said_now], "tools": [function]},
    }
    answer = await request(scripted, "POST", path, bodies[path])
    if path == "/ag-ui":
        told = {"type": "CUSTOM", "name": "omnia.tools_ignored", "value": ["pick"]}
        assert answer.events[1] == told
        assert len(runtime.received) == 1
    else:
        assert answer.status == 400
        assert answer.body["error"]["param"] == "tools"
        assert not runtime.received
