import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc.aio
import pytest

from omnia_core.env.contract import SecretStr
from omnia_core.wire.tools.v1 import tools_pb2, tools_pb2_grpc
from omnia_operator.api.toolregistry import ToolStatus
from omnia_operator.discovery import DiscoveryContext
from tests.discovery import given
from tests.services import free_port


class Tools(tools_pb2_grpc.ToolServiceServicer):
    def __init__(self, *names: str) -> None:
        self._names = names
        self.seen: dict[str, str | bytes] = {}

    async def ListTools(  # noqa: N802 - the name of the RPC
        self,
        request: tools_pb2.ListToolsRequest,  # noqa: ARG002 - grpc calls with it
        context: grpc.aio.ServicerContext[tools_pb2.ListToolsRequest, tools_pb2.ListToolsResponse],
    ) -> tools_pb2.ListToolsResponse:
        self.seen = dict(context.invocation_metadata() or ())
        if "locked" in self._names:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "hunter2 is wrong")
        if "slow" in self._names:
            await asyncio.Event().wait()
        return tools_pb2.ListToolsResponse(tools=[{"name": name} for name in self._names])


@contextlib.asynccontextmanager
async def serving(service: tools_pb2_grpc.ToolServiceServicer) -> AsyncIterator[str]:
    server = grpc.aio.server()
    tools_pb2_grpc.add_ToolServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    address = f"127.0.0.1:{free_port()}"
    server.add_insecure_port(address)
    await server.start()
    try:
        yield address
    finally:
        await server.stop(None)


async def test_a_server_that_has_the_tool_is_available_and_sees_the_credential() -> None:
    tools = Tools("find_order", "other")
    auth = {"type": "bearer", "secretRef": {"name": "token", "key": "value"}}
    context = DiscoveryContext("shop", credentials={"stock": SecretStr("hunter2")})
    async with serving(tools) as address:
        found = await given.discover(given.grpc(address, auth=auth), context)
    assert (found.status, found.error) == (ToolStatus.AVAILABLE, None)
    assert [each.name for each in found.tools] == ["find_order"]
    assert found.endpoint == f"grpc://{address}"
    assert tools.seen["authorization"] == "Bearer hunter2"


async def test_a_server_without_the_tool_is_unavailable_and_says_what_it_has() -> None:
    async with serving(Tools("other")) as address:
        found = await given.discover(given.grpc(address))
    assert found.status is ToolStatus.UNAVAILABLE
    assert 'it has no tool "find_order" (its tools: other): correct tool.name' in (
        found.error or ""
    )


async def test_a_server_that_cannot_list_is_believed() -> None:
    async with serving(tools_pb2_grpc.ToolServiceServicer()) as address:
        found = await given.discover(given.grpc(address))
    assert found.status is ToolStatus.AVAILABLE


@pytest.mark.parametrize(
    ("name", "said"), [("locked", "refused the credential"), ("slow", "did not answer within")]
)
async def test_a_server_that_does_not_answer_is_explained(name: str, said: str) -> None:
    async with serving(Tools(name)) as address:
        found = await given.discover(given.grpc(address, timeout="500ms"))
    assert found.status is ToolStatus.UNAVAILABLE
    assert said in (found.error or "")
    assert "hunter2" not in repr(found)


async def test_a_dead_port_is_explained() -> None:
    found = await given.discover(given.grpc(f"127.0.0.1:{free_port()}"))
    assert "does not accept connections" in (found.error or "")


@pytest.mark.parametrize(
    "tls",
    [{"tlsInsecureSkipVerify": True}, {"tlsKeyPath": "/k"}, {"tlsCAPath": "/no/such/file"}],
    ids=["unseen", "key", "authority"],
)
async def test_files_of_the_agents_pod_leave_the_question_to_the_pod(
    tls: dict[str, object],
) -> None:
    config = {"endpoint": "127.0.0.1:1", "tls": True, **tls}
    asked = given.handler(name="stock", type="grpc", tool=given.TOOL, grpcConfig=config)
    assert (await given.discover(asked)).status is ToolStatus.UNKNOWN


@pytest.mark.parametrize("kind", ["certificate", "pipe", "device"])
async def test_the_operator_opens_no_path_of_a_manifest(kind: str, tmp_path: Path) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "certificate":
        path.write_text("-----BEGIN CERTIFICATE-----\nhunter2")
    opened: list[str] = []
    watch_opened_files(opened.append)
    config = {"endpoint": "127.0.0.1:1", "tls": True, "tlsCAPath": str(path)}
    asked = given.handler(name="stock", type="grpc", tool=given.TOOL, grpcConfig=config)
    found = await given.discover(asked)
    assert found.status is ToolStatus.UNKNOWN
    assert "files of the agent's pod" in (found.error or "")
    assert str(path) not in opened


def watch_opened_files(opened: Callable[[str], None]) -> None:
    """Call `opened` with the path of each file that this process opens from now on."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            opened(str(arguments[0]))

    sys.addaudithook(hook)
