"""The A2A door with the official client over both bindings, and on the wire."""

import asyncio
from pathlib import Path

import pytest
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import (
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from omnia_core.files.auth import AuthFile, ClientKeyAuth
from tests.facade import auth_files
from tests.facade.conftest import Running
from tests.facade.doors.a2a_bed import (
    BINDINGS,
    client,
    events,
    message,
    plain,
    plain_text,
    rpc,
    said,
    streamed_text,
    text_of,
)
from tests.facade.doors.bed import DEFAULT, LONG, doors, request, until
from tests.runtime.scripted import Mounted

binding = pytest.mark.parametrize("name", BINDINGS)
ENDED = pb.TASK_STATE_COMPLETED


@binding
@pytest.mark.covers("a2a.md#send", "a2a.md#context", "a2a.md#usage")
async def test_a_message_is_answered_with_a_task_that_has_ended(facade: Running, name: str) -> None:
    async with client(facade, name) as agent:
        request = said("hello", context_id=f"chat-{name.replace('+', '-')}")
        (first, *_, last) = [event async for event in agent.send_message(request)]
        task = await agent.get_task(pb.GetTaskRequest(id=first.task.id))
    assert first.task.context_id == request.message.context_id
    assert (task.status.state, text_of(task)) == (ENDED, DEFAULT)
    assert task.history[0].parts[0].text == "hello"
    assert plain(task.metadata)["https://omnia.altairalabs.ai/ext/usage/v1"]["output_tokens"] > 0
    assert last.status_update.status.state == ENDED


@binding
@pytest.mark.covers("a2a.md#stream")
async def test_a_stream_has_the_task_its_states_and_one_artifact(
    facade: Running, name: str
) -> None:
    async with client(facade, name) as agent:
        found = [event async for event in agent.send_message(said("slowly please"))]
    assert found[0].HasField("task")
    states = [e.status_update.status.state for e in found if e.HasField("status_update")]
    assert states == [pb.TASK_STATE_WORKING, ENDED]
    artifacts = [e.artifact_update for e in found if e.HasField("artifact_update")]
    assert {update.artifact.artifact_id for update in artifacts} == {"answer"}
    assert [update.append for update in artifacts] == [False, *[True] * (len(artifacts) - 1)]
    assert [update.last_chunk for update in artifacts][-2:] == [False, True]
    assert streamed_text(found) == LONG


@pytest.mark.covers("a2a.md#blocking", "a2a.md#return-immediately")
async def test_a_client_waits_for_the_end_unless_it_asks_not_to(facade: Running) -> None:
    whole = await rpc(facade, "SendMessage", message("slowly please"))
    assert plain_text([whole.body["result"]]) == LONG
    configuration = {"returnImmediately": True}
    early = await rpc(
        facade, "SendMessage", {**message("slowly please"), "configuration": configuration}
    )
    task = early.body["result"]["task"]
    assert task["status"]["state"] in ("TASK_STATE_SUBMITTED", "TASK_STATE_WORKING")

    async def ended() -> bool:
        found = (await rpc(facade, "GetTask", {"id": task["id"]})).body["result"]
        return bool(found["status"]["state"] == "TASK_STATE_COMPLETED")

    await until(ended)


@binding
@pytest.mark.covers("a2a.md#cancel")
async def test_a_task_is_cancelled_while_it_streams(facade: Running, name: str) -> None:
    async with client(facade, name) as agent:
        found = []
        async for event in agent.send_message(said("slowly please")):
            found.append(event)
            if len(found) == 4:
                canceled = await agent.cancel_task(pb.CancelTaskRequest(id=found[0].task.id))
        assert canceled.status.state == pb.TASK_STATE_CANCELED
        assert found[-1].status_update.status.state == pb.TASK_STATE_CANCELED
        assert LONG.startswith(streamed_text(found))
        assert streamed_text(found)
        with pytest.raises(TaskNotCancelableError):
            await agent.cancel_task(pb.CancelTaskRequest(id=found[0].task.id))


@binding
@pytest.mark.covers("a2a.md#unknown-task", "a2a.md#ended-task")
async def test_what_cannot_be_done_to_a_task_is_said(facade: Running, name: str) -> None:
    async with client(facade, name) as agent:
        with pytest.raises(TaskNotFoundError):
            await agent.get_task(pb.GetTaskRequest(id="nobody"))
        with pytest.raises(TaskNotFoundError):
            [e async for e in agent.send_message(said("hi", task_id="nobody"))]
        (first, *_) = [event async for event in agent.send_message(said("hello"))]
        with pytest.raises(UnsupportedOperationError):
            [e async for e in agent.subscribe(pb.SubscribeToTaskRequest(id=first.task.id))]
        with pytest.raises(UnsupportedOperationError):
            [e async for e in agent.send_message(said("hi", task_id=first.task.id))]


@pytest.mark.covers("a2a.md#subscribe", "a2a.md#disconnect")
async def test_a_stream_that_is_cut_at_any_event_is_whole_after_a_subscription(
    facade: Running,
) -> None:
    async def cut(after: int) -> None:
        first = await events(
            facade, "SendStreamingMessage", message("slowly please"), stop_after=after
        )
        task_id = first[0]["task"]["id"]
        rest = await events(facade, "SubscribeToTask", {"id": task_id})
        assert "task" in rest[0]
        assert plain_text(rest) == LONG
        assert rest[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"

    await asyncio.gather(*(cut(after) for after in range(1, 30, 4)))


@pytest.mark.covers("a2a.md#several-streams")
async def test_all_streams_of_a_task_end_with_the_same_text(facade: Running) -> None:
    async with client(facade) as agent, client(facade, "HTTP+JSON") as other:
        found: list[pb.StreamResponse] = []
        second: list[pb.StreamResponse] = []

        async def subscribe(task_id: str) -> None:
            stream = other.subscribe(pb.SubscribeToTaskRequest(id=task_id))
            second.extend([event async for event in stream])

        async with asyncio.TaskGroup() as group:
            async for event in agent.send_message(said("slowly please")):
                if not found:
                    group.create_task(subscribe(event.task.id))
                found.append(event)
    assert streamed_text(found) == streamed_text(second) == LONG


@binding
@pytest.mark.covers("a2a.md#input-required", "a2a.md#tool-result")
async def test_a_task_waits_for_the_result_of_a_tool_of_the_client(
    facade: Running, name: str
) -> None:
    async with client(facade, name) as agent:
        found = [event async for event in agent.send_message(said("pick a date"))]
        task_id, status = found[0].task.id, found[-1].status_update.status
        assert status.state == pb.TASK_STATE_INPUT_REQUIRED
        asked = plain(status.message.parts[0])["data"]["tool_call"]
        assert (asked["name"], asked["arguments"]["month"]) == ("pick_date", "May")
        answer = said("", task_id=task_id)
        part = pb.Part()
        part.data.struct_value.update({"tool_result": {"id": asked["id"], "result": "7 May"}})
        answer.message.parts[0].CopyFrom(part)
        rest = [event async for event in agent.send_message(answer)]
        task = await agent.get_task(pb.GetTaskRequest(id=task_id))
    assert rest[0].task.id == task_id
    assert rest[-1].status_update.status.state == ENDED
    assert "7 May" in streamed_text(rest)
    assert len(task.history) == 2


@pytest.mark.covers("a2a.md#plain-answer")
async def test_a_text_answers_the_tool_that_a_task_waits_for(facade: Running) -> None:
    asked = (await rpc(facade, "SendMessage", message("pick a date"))).body["result"]["task"]
    assert asked["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    answered = await rpc(facade, "SendMessage", message("8 May", taskId=asked["id"]))
    assert "8 May" in plain_text([answered.body["result"]])
    mismatch = await rpc(facade, "SendMessage", message("x", taskId=asked["id"], contextId="other"))
    assert mismatch.body["error"]["code"] == -32602


@binding
@pytest.mark.covers("a2a.md#list")
async def test_tasks_are_listed_by_context_state_and_page(facade: Running, name: str) -> None:
    context = f"list-{name.replace('+', '-')}"
    async with client(facade, name) as agent:
        for _ in range(3):
            [e async for e in agent.send_message(said("hello", context_id=context))]
        first = await agent.list_tasks(pb.ListTasksRequest(context_id=context, page_size=2))
        rest = await agent.list_tasks(
            pb.ListTasksRequest(context_id=context, page_size=2, page_token=first.next_page_token)
        )
        full = await agent.list_tasks(
            pb.ListTasksRequest(context_id=context, include_artifacts=True, history_length=0)
        )
        none = await agent.list_tasks(
            pb.ListTasksRequest(context_id=context, status=pb.TASK_STATE_FAILED)
        )
    assert (first.total_size, len(first.tasks), len(rest.tasks)) == (3, 2, 1)
    assert rest.next_page_token == ""
    assert not first.tasks[0].artifacts
    assert text_of(full.tasks[0]) == DEFAULT
    assert not full.tasks[0].history
    times = [task.status.timestamp.ToNanoseconds() for task in full.tasks]
    assert times == sorted(times, reverse=True)
    assert none.total_size == 0


@pytest.mark.covers("a2a.md#order")
async def test_messages_of_a_context_wait_for_one_another(facade: Running) -> None:
    one, two = await asyncio.gather(
        rpc(facade, "SendMessage", message("slowly please", contextId="busy")),
        rpc(facade, "SendMessage", message("hello", contextId="busy")),
    )
    states = [a.body["result"]["task"]["status"]["state"] for a in (one, two)]
    assert states == ["TASK_STATE_COMPLETED"] * 2


@pytest.mark.covers("a2a.md#same-message")
async def test_a_message_that_is_sent_twice_is_one_task(facade: Running) -> None:
    params = message("hello", contextId="twice")
    one = await rpc(facade, "SendMessage", params)
    two = await rpc(facade, "SendMessage", params)
    assert one.body["result"]["task"] == two.body["result"]["task"]


@pytest.mark.covers("a2a.md#failed")
async def test_a_turn_that_fails_is_a_failed_task_with_the_reason(facade: Running) -> None:
    task = (await rpc(facade, "SendMessage", message("fail"))).body["result"]["task"]
    assert task["status"]["state"] == "TASK_STATE_FAILED"
    assert task["status"]["message"]["parts"][0]["text"]
    found = await events(facade, "SendStreamingMessage", message("fail"))
    assert found[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_FAILED"


@pytest.mark.covers("a2a.md#errors", "a2a.md#rest-errors")
async def test_errors_have_the_codes_of_their_binding(facade: Running) -> None:
    unknown = await rpc(facade, "GetTask", {"id": "nobody"})
    error = unknown.body["error"]
    assert (unknown.status, error["code"]) == (200, -32001)
    assert error["data"][0]["reason"] == "TASK_NOT_FOUND"
    assert (await rpc(facade, "Nothing", {})).body["error"]["code"] == -32601
    assert (await rpc(facade, "GetTask", {}, version="2.0")).body["error"]["code"] == -32009
    invalid = await rpc(facade, "SendMessage", {"message": {}})
    assert invalid.body["error"]["data"][1]["fieldViolations"][0]["field"].startswith("message")
    version = {"A2A-Version": "1.0"}
    rest = await request(facade, "GET", "/a2a/v1/tasks/nobody", headers=version)
    assert (rest.status, rest.body["error"]["status"]) == (404, "NOT_FOUND")
    plain = {**version, "Content-Type": "text/plain"}
    refused = await request(facade, "POST", "/a2a/v1/message:send", {}, plain)
    assert (refused.status, refused.headers["Content-Type"]) == (415, "application/json")
    mixed = await request(facade, "POST", "/a2a/", {}, plain)
    assert mixed.body["error"]["code"] == -32005
    old = await request(facade, "GET", "/a2a/v1/tasks/x")
    assert old.body["error"]["details"][0]["reason"] == "VERSION_NOT_SUPPORTED"
    assert (await request(facade, "GET", "/a2a")).status == 405


@pytest.mark.covers("a2a.md#media-type")
async def test_a_result_has_the_media_type_of_its_request(facade: Running) -> None:
    for kind in ("application/json", "application/a2a+json"):
        headers = {"A2A-Version": "1.0", "Content-Type": kind}
        answer = await request(facade, "POST", "/a2a/v1/message:send", message("hi"), headers)
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)


@pytest.mark.covers("a2a.md#card", "a2a.md#card-cache")
async def test_the_card_is_public_and_can_be_kept(facade: Running) -> None:
    card = await request(facade, "GET", "/.well-known/agent-card.json")
    assert card.body["supportedInterfaces"][0]["url"] == f"{facade.http}/a2a"
    assert card.body["protocolVersion"] == "0.3.0"
    assert (await request(facade, "GET", "/.well-known/agent.json")).body == card.body
    known = {"If-None-Match": card.headers["ETag"]}
    again = await request(facade, "GET", "/.well-known/agent-card.json", headers=known)
    assert (again.status, again.content) == (304, b"")
    assert "max-age" in card.headers["Cache-Control"]
    assert card.headers["Last-Modified"]


@pytest.mark.covers("a2a.md#owner", "a2a.md#foreign-context", "a2a.md#unauthorized")
async def test_the_tasks_and_contexts_of_another_user_are_as_unknown(
    mock_runtime: Mounted, tmp_path: Path
) -> None:
    mounted = auth_files.Mounted(tmp_path)
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    mounted.client_key("ann", "key-of-ann")
    mounted.client_key("bob", "key-of-bob")
    ann, bob = ({"Authorization": f"Bearer key-of-{name}"} for name in ("ann", "bob"))
    async with doors(
        mock_runtime,
        allow_unauthenticated=False,
        auth_path=str(mounted.auth),
        auth_secrets_path=str(mounted.secrets),
    ) as facade:
        sent = await rpc(facade, "SendMessage", message("hello", contextId="of-ann"), ann)
        task = sent.body["result"]["task"]
        for method in ("GetTask", "CancelTask", "SubscribeToTask"):
            foreign = await rpc(facade, method, {"id": task["id"]}, bob)
            unknown = await rpc(facade, method, {"id": "0" * 36}, bob)
            assert foreign.body["error"]["code"] == -32001
            assert foreign.body["error"]["message"] == unknown.body["error"]["message"]
        assert (await rpc(facade, "ListTasks", {}, bob)).body["result"]["totalSize"] == 0
        context = await rpc(facade, "SendMessage", message("hi", contextId="of-ann"), bob)
        assert context.body["error"]["code"] == -32602
        nobody = await rpc(facade, "ListTasks", {})
        card = await request(facade, "GET", "/.well-known/agent-card.json")
        async with client(facade, headers=ann) as agent:
            assert (await agent.get_task(pb.GetTaskRequest(id=task["id"]))).id == task["id"]
    assert nobody.status == 401
    assert nobody.headers["WWW-Authenticate"] == "Bearer"
    assert card.body["securitySchemes"]["bearer"]["httpAuthSecurityScheme"]["scheme"] == "bearer"
