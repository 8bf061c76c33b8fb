"""A fault of the facade itself, in the middle of a call."""

# ruff: noqa: ARG002 - the methods are those of the ports

import asyncio
import contextlib
import re
from collections.abc import Mapping

import msgspec
import orjson
import pytest
from prometheus_client import CollectorRegistry

from omnia_core.env import FacadeEnv
from omnia_core.files.function import FunctionFile
from omnia_core.http.hosts import ANY_HOST
from omnia_core.http.received import ReceiveBudget
from omnia_core.telemetry.tracing import NO_TRACER
from omnia_facade.auth.chain import Authenticator
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.inside import AgentInside, ComposedPrompt
from omnia_facade.backend.own_sessions import Change, OwnSessionsPage
from omnia_facade.backend.port import Cancellation, Forked, Probed, Reading
from omnia_facade.context import ProcessContext
from omnia_facade.functions.errors import FunctionErrorCode, FunctionFailed
from omnia_facade.functions.function import Function
from omnia_facade.http.functions import FunctionRoute
from omnia_facade.http.server import HttpServer
from omnia_facade.idempotency.calls import IdempotentCalls, replayed
from omnia_facade.idempotency.memory import MemoryReplyStore
from omnia_facade.idempotency.store import ExistingClaim
from omnia_facade.metrics import FacadeMetrics
from omnia_facade.runtime_client.port import ConverseStream, Invocation, RuntimeHealth
from omnia_facade.timings import USUAL
from omnia_facade.tracing import FacadeTracing
from tests.facade.scripted_runtime import LIMIT


class BrokenStore(MemoryReplyStore):
    async def claim(
        self, scope: bytes, fingerprint: bytes, holder: str, *, lease_seconds: float
    ) -> ExistingClaim | None:
        raise ZeroDivisionError("a secret of the program")


class Unreachable:
    """A runtime that nobody gets to."""

    def variant_of(self, session_id: str, caller: Principal) -> str:
        return "stable"

    def converse(self, session_id: str, caller: Principal) -> ConverseStream:
        raise NotImplementedError

    async def has_conversation(self, session_id: str, caller: Principal) -> Probed:
        raise NotImplementedError

    async def cancel_turn(self, session_id: str, caller: Principal) -> Cancellation:
        raise NotImplementedError

    async def read_conversation(
        self, session_id: str, caller: Principal, last_turns: int
    ) -> Reading:
        raise NotImplementedError

    async def list_conversations(
        self, caller: Principal, limit: int, cursor: str
    ) -> OwnSessionsPage:
        raise NotImplementedError

    async def name_conversation(self, session_id: str, caller: Principal, name: str) -> Change:
        raise NotImplementedError

    async def delete_conversation(self, session_id: str, caller: Principal) -> Change:
        raise NotImplementedError

    async def describe_agent(self) -> AgentInside:
        raise NotImplementedError

    async def compose_prompt(self, variables: Mapping[str, str], version: str) -> ComposedPrompt:
        raise NotImplementedError

    async def fork_conversation(
        self, session_id: str, new_id: str, after_turn: int, caller: Principal
    ) -> Forked:
        raise NotImplementedError

    async def invoke(
        self, input_json: str, invocation_id: str, caller: Principal, *, seconds: float
    ) -> Invocation:
        raise NotImplementedError

    async def health(self) -> RuntimeHealth:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("error", ["of_tomorrow", "\xff"])
def test_a_reply_that_a_newer_pod_kept_is_no_crash(error: str) -> None:
    kept = msgspec.msgpack.encode({"invocation_id": "i", "body": b"{}", "error": error})
    with pytest.raises(FunctionFailed) as caught:
        replayed(ExistingClaim(b"print", kept), b"print")
    assert caught.value.code is FunctionErrorCode.IDEMPOTENCY_UNAVAILABLE


async def test_a_crash_is_500_with_an_id_and_without_its_reason(unused_port: int) -> None:
    env, client = FacadeEnv(agent_name="summarizer"), Unreachable()
    metrics = FacadeMetrics(CollectorRegistry(), agent="summarizer", namespace="default")
    route = FunctionRoute(
        Function(FunctionFile("summarizer", {}, {}), client, IdempotentCalls(BrokenStore())),
        ProcessContext(
            env, client, metrics, FacadeTracing(NO_TRACER, env), USUAL, contextlib.AsyncExitStack()
        ),
    )
    anybody = Authenticator((), allow_unauthenticated=True)
    server_of_routes = HttpServer([route], anybody, metrics.rejected, ANY_HOST)
    runner = server_of_routes.runner(LIMIT, USUAL, ReceiveBudget())
    await runner.setup()
    assert runner.server
    server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", unused_port)
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_port)
    writer.write(
        b"POST /functions/summarizer HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\n"
        b"Idempotency-Key: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    )
    async with asyncio.timeout(LIMIT):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    server.close()
    await runner.cleanup()
    told = orjson.loads(body)
    (invocation,) = re.findall(rb"X-Invocation-Id: (\S+)", head)
    assert head.startswith(b"HTTP/1.1 500 ")
    assert told["error"] == "internal_error"
    assert invocation.decode() in told["detail"]
    assert b"secret" not in body
