"""Tasks of an agent with several pods: followed, cancelled and lost."""

from pathlib import Path
from typing import Any

import pytest
from a2a.types import a2a_pb2 as pb

from omnia_core.files.auth import AuthFile, ClientKeyAuth
from tests.facade import auth_files
from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.a2a_bed import client, events, message, plain_text, rpc
from tests.facade.doors.bed import LONG, until
from tests.facade.doors.pods_bed import (
    SharedStore,
    one_store,
    pods,
    shared_store,
    stored_runtime,
)
from tests.runtime.scripted import Mounted

__all__ = ["pods", "shared_store", "stored_runtime"]
SLOWLY = "slowly please"


@pytest.mark.covers("a2a.md#pods")
async def test_a_task_is_read_and_followed_and_cancelled_at_another_pod(
    pods: tuple[Running, Running],
) -> None:
    one, two = pods
    begun = await events(one, "SendStreamingMessage", message(SLOWLY), stop_after=4)
    task = {"id": begun[0]["task"]["id"]}
    found = await events(two, "SubscribeToTask", task)
    assert plain_text(found) == LONG
    read = await rpc(two, "GetTask", task)
    assert plain_text([{"task": read.body["result"]}]) == LONG

    begun = await events(one, "SendStreamingMessage", message(SLOWLY), stop_after=4)
    canceled = await rpc(two, "CancelTask", {"id": begun[0]["task"]["id"]})
    assert canceled.body["result"]["status"]["state"] == "TASK_STATE_CANCELED"


async def listed(facade: Running, headers: dict[str, str] | None = None, **params: Any) -> Any:
    answer = await rpc(facade, "ListTasks", params, headers)
    return answer.body["result"]


@pytest.mark.covers("a2a.md#list", "a2a.md#list-pods")
async def test_the_tasks_of_all_pods_are_listed_in_one_order(
    pods: tuple[Running, Running],
) -> None:
    context = "listed"
    begun = []
    for number in range(5):
        sent = await rpc(pods[number % 2], "SendMessage", message("hello", contextId=context))
        begun.append(sent.body["result"]["task"]["id"])

    async def all_are_known() -> bool:
        pages = [await listed(pod, contextId=context) for pod in pods]
        return all(page["totalSize"] == len(begun) for page in pages)

    await until(all_are_known)
    whole = await listed(pods[0], contextId=context)
    assert [task["id"] for task in whole["tasks"]] == begun[::-1]
    assert whole["nextPageToken"] == ""
    # Each page is asked for at another pod.
    found: list[str] = []
    token, turn = "", 0
    while token or not turn:
        page = await listed(pods[turn % 2], contextId=context, pageSize=2, pageToken=token)
        found += [task["id"] for task in page["tasks"]]
        token, turn = page["nextPageToken"], turn + 1
    assert (found, turn) == (begun[::-1], 3)
    none = await listed(pods[1], contextId=context, status="TASK_STATE_FAILED")
    assert none["totalSize"] == 0
    async with client(pods[1], "GRPC") as agent:
        over_grpc = await agent.list_tasks(pb.ListTasksRequest(context_id=context))
    assert [task.id for task in over_grpc.tasks] == begun[::-1]


@one_store
@pytest.mark.covers("a2a.md#list-pods")
async def test_each_user_gets_the_tasks_of_their_own_from_all_pods(
    stored_runtime: Mounted, shared_store: SharedStore, tmp_path: Path
) -> None:
    mounted = auth_files.Mounted(tmp_path)
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    mounted.client_key("ann", "key-of-ann")
    mounted.client_key("bob", "key-of-bob")
    ann, bob = ({"Authorization": f"Bearer key-of-{name}"} for name in ("ann", "bob"))
    given = {
        **shared_store.settings,
        "pod_address": "127.0.0.1",
        "allow_unauthenticated": False,
        "auth_path": str(mounted.auth),
        "auth_secrets_path": str(mounted.secrets),
    }
    async with (
        bed.doors(stored_runtime, **given) as one,
        bed.doors(stored_runtime, **given) as two,
    ):
        sent = await rpc(one, "SendMessage", message("hello"), ann)
        task_id = sent.body["result"]["task"]["id"]

        async def ann_has_it() -> bool:
            return bool([t["id"] for t in (await listed(two, ann))["tasks"]] == [task_id])

        await until(ann_has_it)
        assert (await listed(two, bob))["totalSize"] == 0
        # A client that claims to be a pod gets what is its own, in one pod.
        claimed = await listed(two, {**ann, "Omnia-Forwarded": "1"})
        assert claimed["totalSize"] == 0


@one_store
@pytest.mark.covers("a2a.md#lost-pod")
async def test_a_task_whose_pod_was_killed_has_failed(
    stored_runtime: Mounted, shared_store: SharedStore, pods: tuple[Running, Running]
) -> None:
    environment = {**shared_store.environment, "OMNIA_POD_ADDRESS": "127.0.0.1"}
    with bed.facade_process(stored_runtime, **environment) as gone:
        # So much is said after a second that the session has a checkpoint of it.
        begun = await events(gone, "SendStreamingMessage", message(SLOWLY), stop_after=50)
    task = {"id": begun[0]["task"]["id"]}

    async def has_failed() -> bool:
        answer = await rpc(pods[1], "GetTask", task)
        found = answer.status == 200 and answer.body.get("result", {})
        return bool(found and found["status"]["state"] == "TASK_STATE_FAILED")

    # The lease of the record ends.
    await until(has_failed, 60)
    lost = await rpc(pods[1], "GetTask", task)
    said = plain_text([{"task": lost.body["result"]}])
    assert said
    assert LONG.startswith(said)
    (found,) = (await listed(pods[1], contextId=lost.body["result"]["contextId"]))["tasks"]
    assert (found["id"], found["status"]["state"]) == (task["id"], "TASK_STATE_FAILED")
