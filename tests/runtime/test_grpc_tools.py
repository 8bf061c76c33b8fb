"""gRPC tools against real servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import msgspec
import orjson
import pytest

from omnia_core.conversation.tools import ToolResult
from omnia_core.files.tools import ToolHandler
from omnia_core.jsonvalue import JsonObject
from omnia_core.names import METADATA_SESSION_ID
from omnia_runtime.ports.tools import CallContext, ToolFailed, ToolRetry
from omnia_runtime.tools.credentials import CredentialUnusable
from omnia_runtime.tools.grpc.handler import GRPCSource
from omnia_runtime.tools.retry import Backoff
from tests.runtime.grpc_server import GRPCTools, certificate, serving
from tests.services import LIMIT, free_port

TOOL = {"name": "echo", "description": "repeats", "inputSchema": {"type": "object"}}
SOON = Backoff(0.02, 0.1)


def handler(
    endpoint: str, tool: JsonObject | None = None, timeout: str = "10s", **config: Any
) -> ToolHandler:
    raw = {
        "name": "stock",
        "type": "grpc",
        "timeout": timeout,
        "tool": tool,
        "grpcConfig": {"endpoint": endpoint, **config},
    }
    return msgspec.convert(raw, ToolHandler)


class Started:
    """A source that asks, and how often it said that its tools changed."""

    def __init__(self, source: GRPCSource) -> None:
        self.source = source
        self.changes = 0
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self.changes += 1
        self._changed.set()

    async def until(self, *names: str) -> None:
        """Wait until the source has these tools."""
        async with asyncio.timeout(LIMIT):
            while tuple(each.name for each in self.source.specs()) != names:
                self._changed.clear()
                await self._changed.wait()


@contextlib.asynccontextmanager
async def started(source: GRPCSource) -> AsyncIterator[Started]:
    started = Started(source)
    source.start(started.changed)
    try:
        async with asyncio.timeout(LIMIT):
            await source.settled()
        yield started
    finally:
        await source.close()


async def call(
    source: GRPCSource,
    tool: str = "echo",
    arguments: JsonObject | None = None,
    context: CallContext = CallContext(),  # noqa: B008 - frozen
) -> ToolResult:
    async with asyncio.timeout(LIMIT):
        return await source.call(tool, arguments or {}, context)


async def answered(source: GRPCSource, tool: str) -> None:
    """Call until the channel has connected again."""
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                assert not (await call(source, tool)).is_error
            except ToolFailed:
                await asyncio.sleep(0.02)
            else:
                return


@contextlib.asynccontextmanager
async def calling(asked: ToolHandler, **more: Any) -> AsyncIterator[GRPCSource]:
    source = GRPCSource(asked, **more)
    try:
        yield source
    finally:
        await source.close()


async def test_a_server_without_a_tool_in_the_handler_offers_what_it_lists() -> None:
    server = GRPCTools("echo", "text")
    async with serving(server) as address, started(GRPCSource(handler(address))) as found:
        await found.until("echo", "text")
        spec = found.source.specs()[0]
        assert (spec.description, spec.input_schema) == ("does echo", {"type": "object"})
        assert found.source.problem == ""
        result = await call(found.source, "echo", {"id": 7})
    assert orjson.loads(result.content) == {"tool": "echo", "arguments": {"id": 7}}
    assert not result.is_error


async def test_the_handlers_own_tool_is_the_only_one_and_is_there_at_once() -> None:
    async with serving(GRPCTools("echo", "other")) as address:
        source = GRPCSource(handler(address, TOOL))
        assert [each.name for each in source.specs()] == ["echo"]
        async with started(source) as found:
            assert [each.name for each in source.specs()] == ["echo"]
            assert (found.changes, source.problem) == (0, "")


async def test_a_server_that_lacks_the_handlers_tool_is_told_of() -> None:
    async with (
        serving(GRPCTools("other")) as address,
        started(GRPCSource(handler(address, TOOL))) as found,
    ):
        assert 'has no tool "echo" (it has: other): correct tool.name' in found.source.problem


async def test_a_server_that_cannot_list_is_believed_to_have_the_handlers_tool() -> None:
    async with (
        serving(GRPCTools()) as address,
        started(GRPCSource(handler(address, TOOL))) as found,
    ):
        assert found.source.problem == ""
        assert not (await call(found.source)).is_error


async def test_new_tools_of_a_running_server_are_noticed() -> None:
    server = GRPCTools("echo")
    async with (
        serving(server) as address,
        started(GRPCSource(handler(address), interval=0.02)) as found,
    ):
        await found.until("echo")
        server.names.append("text")
        await found.until("echo", "text")
        assert found.changes == 2


async def test_a_tool_whose_schema_is_no_json_is_left_out_and_told_of() -> None:
    server = GRPCTools("echo")
    server.schema = "{"
    async with serving(server) as address, started(GRPCSource(handler(address))) as found:
        assert found.source.specs() == []
        assert "left out: echo" in found.source.problem


async def test_a_server_that_is_dead_at_the_start_is_found_when_it_comes() -> None:
    port = free_port()
    async with started(GRPCSource(handler(f"127.0.0.1:{port}"), away=SOON)) as found:
        assert "cannot be reached" in found.source.problem
        with pytest.raises(ToolFailed) as failed:
            await call(found.source)
        assert failed.value.server_fault
        async with serving(GRPCTools("echo"), port):
            await found.until("echo")
            assert found.source.problem == ""
            assert not (await call(found.source)).is_error


async def test_a_server_that_is_killed_ends_its_calls_and_serves_again_when_it_is_back() -> None:
    server, port = GRPCTools("slow"), free_port()
    asked = handler(f"127.0.0.1:{port}", TOOL | {"name": "slow"})
    async with calling(asked) as source:
        async with serving(server, port):
            running = asyncio.create_task(call(source, "slow"))
            await asyncio.wait_for(server.asked.wait(), LIMIT)
        with pytest.raises(ToolFailed, match='handler "stock" ') as failed:
            await running
        assert failed.value.server_fault
        server.answers.set()
        async with serving(server, port):
            await answered(source, "slow")


async def test_a_slow_server_has_as_long_as_the_handler_says() -> None:
    async with (
        serving(GRPCTools("slow")) as address,
        calling(handler(address, TOOL, timeout="200ms")) as source,
    ):
        with pytest.raises(ToolFailed, match=r"did not answer within 0.2 s") as failed:
            await call(source, "slow")
    assert failed.value.server_fault


async def test_a_cancelled_call_is_cancelled_at_the_server() -> None:
    ended = asyncio.Event()

    class Server(GRPCTools):
        async def Execute(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
            try:
                return await super().Execute(request, context)
            except asyncio.CancelledError:
                ended.set()
                raise

    server = Server("slow")
    async with serving(server) as address, calling(handler(address, TOOL)) as source:
        running = asyncio.create_task(call(source, "slow"))
        await asyncio.wait_for(server.asked.wait(), LIMIT)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.wait_for(ended.wait(), LIMIT)


async def test_a_call_that_runs_when_the_handler_is_closed_fails_and_is_not_cancelled() -> None:
    server = GRPCTools("slow")
    async with serving(server) as address, calling(handler(address, TOOL)) as source:
        running = asyncio.create_task(call(source, "slow"))
        await asyncio.wait_for(server.asked.wait(), LIMIT)
        await source.close()
        with pytest.raises(ToolFailed, match="removed during the call"):
            await running


async def test_another_protocol_is_the_servers_fault() -> None:
    async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n<html>")
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(garbage, "127.0.0.1", port)
    async with server, calling(handler(f"127.0.0.1:{port}", TOOL, timeout="3s")) as source:
        with pytest.raises(ToolFailed, match='handler "stock" ') as failed:
            await call(source)
    assert failed.value.server_fault


async def test_an_answer_that_is_too_large_is_refused_and_not_asked_for_again() -> None:
    server = GRPCTools("huge")
    async with (
        serving(server) as address,
        calling(handler(address, TOOL, retryPolicy={"maxAttempts": 3})) as source,
    ):
        with pytest.raises(ToolFailed, match="too large") as failed:
            await call(source, "huge")
    assert len(server.requests) == 1
    assert not failed.value.server_fault


async def test_an_error_of_the_tool_is_a_result() -> None:
    async with serving(GRPCTools("fails")) as address, calling(handler(address, TOOL)) as source:
        result = await call(source, "fails")
    assert result.is_error
    assert orjson.loads(result.content) == {"error": "no such order", "result": {"a": 1}}


async def test_a_result_that_is_no_json_is_wrapped() -> None:
    async with serving(GRPCTools("text")) as address, calling(handler(address, TOOL)) as source:
        result = await call(source, "text")
    assert orjson.loads(result.content) == {"result": "plain ä"}


@pytest.mark.parametrize(
    "name", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "deadline-exceeded", "ResourceExhausted"]
)
async def test_codes_that_the_policy_names_are_tried_again(name: str) -> None:
    server = GRPCTools("echo")
    spelled = "".join(letter for letter in name.upper() if letter.isalpha())
    code = next(each for each in grpc.StatusCode if each.name.replace("_", "") == spelled)
    server.refusals = [code, code]
    policy = {"maxAttempts": 3, "initialBackoff": "1ms", "retryableStatusCodes": [name]}
    async with (
        serving(server) as address,
        calling(handler(address, TOOL, retryPolicy=policy)) as source,
    ):
        assert not (await call(source)).is_error
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        (None, 1),
        ({"maxAttempts": 2, "initialBackoff": "1ms"}, 2),
        ({"maxAttempts": 5, "retryableStatusCodes": ["ABORTED"]}, 1),
        ({"maxAttempts": 5, "initialBackoff": "20s", "maxBackoff": "20s"}, 1),
    ],
    ids=["none", "spent", "other codes", "later than the timeout"],
)
async def test_attempts_end_where_the_policy_and_the_timeout_say(
    policy: JsonObject | None, attempts: int
) -> None:
    server = GRPCTools("echo")
    server.refusals = [grpc.StatusCode.UNAVAILABLE] * 9
    async with (
        serving(server) as address,
        calling(handler(address, TOOL, retryPolicy=policy)) as source,
    ):
        with pytest.raises(ToolFailed):
            await call(source)
    assert len(server.requests) == attempts


async def test_wrong_arguments_may_be_mended_by_the_model() -> None:
    server = GRPCTools("echo")
    server.refusals = [grpc.StatusCode.INVALID_ARGUMENT]
    async with serving(server) as address, calling(handler(address, TOOL)) as source:
        with pytest.raises(ToolRetry, match="not now"):
            await call(source)


async def test_a_refused_credential_is_no_fault_of_the_server() -> None:
    server = GRPCTools("echo")
    server.refusals = [grpc.StatusCode.UNAUTHENTICATED]
    async with serving(server) as address, calling(handler(address, TOOL)) as source:
        with pytest.raises(ToolFailed, match="refused the credential") as failed:
            await call(source)
    assert not failed.value.server_fault


async def test_a_missing_credential_is_named_and_waited_for() -> None:
    missing = ['the key "token" of the Secret "stock" is missing: add it']

    def headers() -> Mapping[str, str]:
        if missing:
            raise CredentialUnusable(missing[0])
        return {"Authorization": "Bearer x"}

    async with (
        serving(GRPCTools("echo")) as address,
        started(GRPCSource(handler(address), headers, away=SOON)) as found,
    ):
        assert found.source.problem == missing[0]
        with pytest.raises(ToolFailed, match="is missing: add it"):
            await call(found.source)
        missing.clear()
        await found.until("echo")
        assert not (await call(found.source)).is_error


async def test_a_server_is_told_who_calls_and_nothing_of_the_callers_token() -> None:
    context = CallContext(
        "call-1",
        "session-1",
        {"x-omnia-user-id": "u" * 5000, "authorization": "Bearer caller", "cookie": "c"},
    )
    tokens = iter(["first", "second"])

    def headers() -> Mapping[str, str]:
        return {"Authorization": f"Bearer {next(tokens)}"}

    server = GRPCTools("echo")
    async with (
        serving(server) as address,
        calling(handler(address, TOOL), headers=headers) as source,
    ):
        await call(source, context=context)
        await call(source, context=context)
    told = dict(server.requests[0].metadata)
    assert told[METADATA_SESSION_ID] == "session-1"
    assert told["x-omnia-tool-name"] == "echo"
    assert told["x-omnia-tool-call-id"] == "call-1"
    assert len(told["x-omnia-user-id"]) == 1024
    assert len(told) == 4
    assert [each["authorization"] for each in server.metadata] == ["Bearer first", "Bearer second"]


async def test_both_sides_of_tls_are_checked_and_a_new_certificate_is_used(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "server")
    client_cert, client_key = certificate(tmp_path, "client")
    credentials = grpc.ssl_server_credentials(
        [(key.read_bytes(), cert.read_bytes())], client_cert.read_bytes(), True
    )
    tls: JsonObject = {"tls": True, "tlsCAPath": str(tmp_path / "ca.crt")}
    mutual: JsonObject = {"tlsCertPath": str(client_cert), "tlsKeyPath": str(client_key)}
    async with (
        serving(GRPCTools("echo"), None, credentials) as address,
        calling(handler(address, TOOL, **tls, **mutual)) as source,
        calling(handler(address, TOOL, **tls)) as nobody,
    ):
        with pytest.raises(ToolFailed, match=r"cannot be read: .*ca\.crt"):
            await call(source)
        (tmp_path / "ca.crt").write_bytes(client_cert.read_bytes())
        with pytest.raises(ToolFailed, match="cannot be reached"):
            await call(source)
        (tmp_path / "ca.crt").write_bytes(cert.read_bytes())
        assert not (await call(source)).is_error
        with pytest.raises(ToolFailed, match='handler "stock" '):
            await call(nobody)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"tls": True, "tlsInsecureSkipVerify": True}, "tlsCAPath"),
        ({"tls": True, "tlsCertPath": "/c"}, "need each other"),
        ({"retryPolicy": {"maxAttempts": 2, "retryableStatusCodes": ["SOMETIMES"]}}, "SOMETIMES"),
    ],
)
def test_what_cannot_be_done_is_named(config: JsonObject, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        GRPCSource(handler("127.0.0.1:1", TOOL, **config))
