"""Push notifications: to whom the states of a task are sent, and to whom never."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from a2a.types import a2a_pb2 as pb
from aiohttp import web

from omnia_core.addresses import is_local, is_private
from omnia_facade.backend.events import Done, TurnRequest
from omnia_facade.doors.a2a.errors import A2aError
from omnia_facade.doors.a2a.messages import Authentication, PushConfig
from omnia_facade.doors.a2a.push import MAX_FAILURES, PushNotifications, refused_addresses
from omnia_facade.doors.a2a.tasks import note_of
from omnia_facade.runs.run import Run, RunOptions, RunState
from tests.facade.doors.a2a_bed import client, message, rpc, said
from tests.facade.doors.bed import doors, until
from tests.runtime.scripted import Mounted
from tests.services import free_port


@dataclass
class Receiver:
    """Notes what it is sent, and answers with a status."""

    status: int = 200
    url: str = ""
    bodies: list[Any] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        self.headers.append(request.headers)
        return web.Response(status=self.status)

    def states(self) -> list[str]:
        return [body["statusUpdate"]["status"]["state"] for body in self.bodies]


@contextlib.asynccontextmanager
async def receiver(status: int = 200) -> AsyncIterator[Receiver]:
    found = Receiver(status)
    app = web.Application()
    app.router.add_post("/hook", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield found
    finally:
        await runner.cleanup()


@pytest.mark.covers("a2a.md#push", "a2a.md#push-states", "a2a.md#push-credentials")
async def test_a_receiver_gets_the_states_with_its_token_and_credentials(
    mock_runtime: Mounted,
) -> None:
    async with (
        receiver() as hook,
        doors(mock_runtime, a2a_push_hosts=("127.0.0.1",)) as facade,
        client(facade) as agent,
    ):
        request = said("slowly please")
        config = request.configuration.task_push_notification_config
        config.url, config.token = hook.url, "t-1"
        config.authentication.scheme, config.authentication.credentials = "Bearer", "secret"
        (first, *_) = [event async for event in agent.send_message(request)]
        await until(lambda: hook.states()[-1:] == ["TASK_STATE_COMPLETED"])
        listed = await agent.list_task_push_notification_configs(
            pb.ListTaskPushNotificationConfigsRequest(task_id=first.task.id)
        )
    assert hook.states() == ["TASK_STATE_WORKING", "TASK_STATE_COMPLETED"]
    assert {body["statusUpdate"]["taskId"] for body in hook.bodies} == {first.task.id}
    assert hook.headers[0]["Authorization"] == "Bearer secret"
    assert hook.headers[0]["X-A2A-Notification-Token"] == "t-1"
    assert hook.headers[0]["Content-Type"] == "application/a2a+json"
    assert len(listed.configs) == 1


@pytest.mark.covers("a2a.md#push-configs")
@pytest.mark.parametrize("name", ["JSONRPC", "HTTP+JSON"])
async def test_configurations_are_created_read_listed_and_deleted(
    mock_runtime: Mounted, name: str
) -> None:
    async with (
        doors(mock_runtime, a2a_push_hosts=("hooks.example.com",)) as facade,
        client(facade, name) as agent,
    ):
        (first, *_) = [event async for event in agent.send_message(said("hello"))]
        task_id, url = first.task.id, "https://hooks.example.com/a"
        made = await agent.create_task_push_notification_config(
            pb.TaskPushNotificationConfig(task_id=task_id, id="c1", url=url)
        )
        same = await agent.get_task_push_notification_config(
            pb.GetTaskPushNotificationConfigRequest(task_id=task_id, id="c1")
        )
        await agent.delete_task_push_notification_config(
            pb.DeleteTaskPushNotificationConfigRequest(task_id=task_id, id="c1")
        )
        listed = await agent.list_task_push_notification_configs(
            pb.ListTaskPushNotificationConfigsRequest(task_id=task_id)
        )
    assert made == same
    assert made.url == url
    assert not listed.configs


@pytest.mark.covers("a2a.md#push-off")
async def test_an_agent_without_hosts_sends_none(mock_runtime: Mounted) -> None:
    async with doors(mock_runtime) as facade:
        config = {"taskPushNotificationConfig": {"url": "https://hooks.example.com"}}
        refused = await rpc(facade, "SendMessage", {**message("hi"), "configuration": config})
    assert refused.body["error"]["code"] == -32003


@pytest.mark.covers("a2a.md#push-hosts", "a2a.md#push-addresses")
@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.com/",
        "https://hooks.example.com.evil.com/",
        "https://hooks.example.com@evil.com/",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://user:secret@hooks.example.com/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "https://hooks.example.com:port/",
        "hooks.example.com",
    ],
)
def test_an_address_that_is_not_listed_or_not_safe_is_refused(url: str) -> None:
    push = PushNotifications(("hooks.example.com",))
    with pytest.raises(A2aError):
        push.check(PushConfig(url=url))


def test_a_listed_name_must_not_lead_into_the_network_of_the_pod() -> None:
    assert refused_addresses("hooks.example.com") is is_private
    assert refused_addresses("hooks.space.svc") is is_local
    assert not refused_addresses("127.0.0.1")("127.0.0.1")
    assert refused_addresses("hooks.example.com")("10.0.0.1")


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX: y", "ü", "x" * 4096])
def test_a_token_cannot_add_headers(value: str) -> None:
    push = PushNotifications(("hooks.example.com",))
    for config in (
        PushConfig(url="https://hooks.example.com", token=value),
        PushConfig(
            url="https://hooks.example.com",
            authentication=Authentication(scheme="Bearer", credentials=value),
        ),
    ):
        with pytest.raises(A2aError):
            push.check(config)


def idle_run() -> Run:
    """Return a run that has not begun."""
    return Run("r1", TurnRequest("s-1"), None, RunOptions(keep=True))  # type: ignore[arg-type]


@pytest.mark.covers("a2a.md#push-dropped")
async def test_a_receiver_that_is_dead_is_given_up() -> None:
    push, run = PushNotifications(("127.0.0.1",), pause=0.001), idle_run()
    config = push.add(run, PushConfig(url=f"http://127.0.0.1:{free_port()}/"))
    assert config.id in note_of(run).push
    for _ in range(MAX_FAILURES):
        run._enter(RunState.WORKING)
    await until(lambda: not note_of(run).push)
    await push.close()


@pytest.mark.covers("a2a.md#push-retry")
async def test_a_receiver_that_fails_for_a_moment_gets_the_state_again() -> None:
    push, run = PushNotifications(("127.0.0.1",), pause=0.05), idle_run()
    async with receiver(status=503) as hook:
        push.add(run, PushConfig(url=hook.url))
        run.outcome = Done("x")
        run._enter(RunState.COMPLETED)
        await until(lambda: bool(hook.bodies))
        hook.status = 200
        await until(lambda: len(hook.bodies) == 2)
        await asyncio.sleep(0)
        await push.close()
    assert hook.bodies[0] == hook.bodies[1]
