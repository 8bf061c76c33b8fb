"""Tasks of an agent with several pods: followed, cancelled and lost."""

import pytest

from tests.facade.conftest import Running
from tests.facade.doors import bed
from tests.facade.doors.a2a_bed import events, message, plain_text, rpc
from tests.facade.doors.bed import LONG, until
from tests.facade.doors.test_pods import pods, stored_runtime
from tests.runtime.scripted import Mounted

__all__ = ["pods", "stored_runtime"]
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


@pytest.mark.covers("a2a.md#lost-pod")
async def test_a_task_whose_pod_was_killed_has_failed(
    stored_runtime: Mounted, redis_url: str, pods: tuple[Running, Running]
) -> None:
    environment = {
        "OMNIA_SESSION_TYPE": "redis",
        "OMNIA_SESSION_URL": redis_url,
        "OMNIA_POD_ADDRESS": "127.0.0.1",
    }
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
