"""Messages and calls while the runtime starts or is restarted: they wait, for a bounded time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import GrpcTransport
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.events import Done, Failed, TurnEvent, TurnRequest
from omnia_facade.backend.port import Resume
from omnia_facade.runtime_client.opening import open_client
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed
from omnia_facade.turns.runtime import RuntimeBackend
from tests.facade.runtime_bed import answer_of
from tests.facade.scripted_runtime import LIMIT, ScriptedRuntime, serving
from tests.services import free_port

pytestmark = pytest.mark.parametrize("transport", list(GrpcTransport))


@contextlib.asynccontextmanager
async def client_at(
    port: int, transport: GrpcTransport, ready: float
) -> AsyncIterator[RuntimeClient]:
    env = FacadeEnv(
        agent_name="a",
        namespace="n",
        runtime_address=f"127.0.0.1:{port}",
        grpc_transport=transport,
    )
    client = open_client(env, ready)
    assert client
    yield client
    await client.close()


async def turn(client: RuntimeClient, session: str = "s") -> Done | Failed:
    connection = RuntimeBackend(client, LIMIT).begin(session, Principal())
    outcome = (await answer_of(connection, TurnRequest(session, "hi")))[-1]
    connection.close()
    assert isinstance(outcome, Done | Failed)
    return outcome


async def until_unhealthy(client: RuntimeClient) -> None:
    while True:
        await client.health()


async def test_a_message_before_the_runtime_listens_is_answered(transport: GrpcTransport) -> None:
    port = free_port()
    async with asyncio.timeout(LIMIT), client_at(port, transport, LIMIT) as client:
        early = [asyncio.ensure_future(turn(client, f"s{number}")) for number in range(3)]
        probe = asyncio.ensure_future(client.has_conversation("s", Principal()))
        await asyncio.sleep(0.4)
        assert not any(task.done() for task in early)
        async with serving(ScriptedRuntime(resume=pb.RESUME_STATE_NOT_FOUND), port):
            assert [type(outcome) for outcome in await asyncio.gather(*early)] == [Done] * 3
            assert (await probe).resume is Resume.NOT_FOUND


async def test_a_message_while_the_runtime_is_restarted_is_answered(
    transport: GrpcTransport,
) -> None:
    port = free_port()
    async with asyncio.timeout(LIMIT), client_at(port, transport, LIMIT) as client:
        async with serving(ScriptedRuntime(resume=pb.RESUME_STATE_NOT_FOUND), port):
            assert isinstance(await turn(client), Done)
        # A message that is sent before the client has noticed fails: it may have arrived.
        with pytest.raises(RuntimeFailed):
            await until_unhealthy(client)
        between = asyncio.ensure_future(turn(client))
        await asyncio.sleep(0.4)
        assert not between.done()
        async with serving(ScriptedRuntime(resume=pb.RESUME_STATE_NOT_FOUND), port):
            assert isinstance(await between, Done)


async def test_the_wait_is_bounded_once_for_each_outage(transport: GrpcTransport) -> None:
    async with asyncio.timeout(LIMIT), client_at(free_port(), transport, 0.5) as client:
        began = time.monotonic()
        first = await turn(client)
        waited = time.monotonic() - began
        second = await turn(client)
        again = time.monotonic() - began - waited

    assert isinstance(first, Failed)
    assert isinstance(second, Failed)
    assert (first.code, second.code) == ("AGENT_UNAVAILABLE",) * 2
    assert 0.4 < waited < 5
    assert again < 0.4


async def test_the_health_does_not_wait(transport: GrpcTransport) -> None:
    async with client_at(free_port(), transport, LIMIT) as client:
        began = time.monotonic()
        with pytest.raises(RuntimeFailed):
            await client.health()
    assert time.monotonic() - began < LIMIT / 2


async def test_a_conversation_that_a_restart_has_emptied_is_one_error_and_then_a_new_one(
    transport: GrpcTransport,
) -> None:
    port = free_port()
    fresh = ScriptedRuntime(resume=pb.RESUME_STATE_NOT_FOUND)
    kept = ScriptedRuntime(resume=pb.RESUME_STATE_RESUMABLE)
    async with asyncio.timeout(LIMIT), client_at(port, transport, LIMIT) as client:
        connection = RuntimeBackend(client, LIMIT).begin("s", Principal())

        async def say() -> Done | Failed | str | TurnEvent:
            return (await answer_of(connection, TurnRequest("s", "hi")))[-1]

        async with serving(fresh, port):
            assert [type(await say()) for _ in range(2)] == [Done, Done]
        # A message on a connection that is just being closed may be lost with it.
        with pytest.raises(RuntimeFailed):
            await until_unhealthy(client)
        async with serving(kept, port):
            assert isinstance(await say(), Done)
        with pytest.raises(RuntimeFailed):
            await until_unhealthy(client)
        async with serving(fresh, port):
            lost = await say()
            again = await say()
        connection.close()

    assert isinstance(lost, Failed)
    assert lost.code == "SESSION_EXPIRED"
    assert "send the message again" in lost.message
    assert isinstance(again, Done)
