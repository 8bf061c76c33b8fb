"""Our transport against what others wrote: h2spec, and grpc-go at either end."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.relay.build import OUT, build
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_rpc.server import Server, ServerCall
from tests.facade.conftest import running
from tests.services import free_port, wait_listening

pytestmark = [pytest.mark.load, pytest.mark.timeout(300)]

H2SPEC = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
CONVERSE = "/omnia.runtime.v1.RuntimeService/Converse"
LIMIT = 30.0
CHUNKS = 5000
COUNT = re.compile(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed")


@pytest.fixture(scope="module", autouse=True)
def _go() -> None:
    if shutil.which("go") is None:
        missing = "Go is not here: apt-get install golang"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)


async def converse(call: ServerCall) -> None:
    """Answer "N:0" with N numbered chunks."""
    while (data := await call.read()) is not None:
        count = int(pb.ClientMessage.FromString(data).content.partition(":")[0])
        for number in range(count):
            chunk = pb.ServerMessage(chunk=pb.Chunk(content=str(number)))
            await call.write(chunk.SerializeToString())
        await call.write(pb.ServerMessage(done=pb.Done(final_content="end")).SerializeToString())


@contextlib.asynccontextmanager
async def our_server() -> AsyncIterator[int]:
    server = Server({CONVERSE: converse}, max_message_bytes=1 << 24)
    yield await server.start("127.0.0.1", 0)
    await server.stop(0)


@contextlib.contextmanager
def program(*command: object) -> Iterator[None]:
    process = subprocess.Popen([str(each) for each in command], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(LIMIT)


async def answer(socket: ClientConnection, count: int) -> list[str]:
    await socket.send(f'{{"type":"message","content":"{count}:0"}}')
    said = []
    while (frame := orjson.loads(await socket.recv()))["type"] == "chunk":
        said.append(frame["content"])
    assert frame["type"] == "done"
    return said


async def test_h2spec_finds_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "GOBIN": str(tmp_path)}
    await asyncio.to_thread(subprocess.run, ["go", "install", H2SPEC], env=environment, check=True)
    async with our_server() as port:
        address = ["-h", "127.0.0.1", "-p", str(port), "-P", CONVERSE, "-o", "5"]
        asked = await asyncio.create_subprocess_exec(
            tmp_path / "h2spec", *address, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asked.communicate()
    found = COUNT.findall(said.decode(errors="replace"))
    assert found
    total, passed, skipped, failed = map(int, found[-1])
    assert (passed, skipped, failed) == (total, 0, 0), said.decode(errors="replace")[-5000:]
    assert total > 100


@pytest.mark.parametrize("shape", [(), ("-shape=omnia",), ("-shape=omnia", "-gzip")])
async def test_a_client_of_grpc_go_talks_to_our_server(shape: tuple[str, ...]) -> None:
    await asyncio.to_thread(build)
    port = free_port()
    async with our_server() as runtime:
        addresses = ("-address", f"127.0.0.1:{port}", "-runtime", f"127.0.0.1:{runtime}")
        with program(OUT / "facade", *addresses, *shape):
            await asyncio.to_thread(wait_listening, port)
            async with asyncio.timeout(LIMIT), connect(f"ws://127.0.0.1:{port}/ws") as socket:
                await socket.recv()
                for _ in range(3):
                    assert await answer(socket, CHUNKS) == [str(each) for each in range(CHUNKS)]


async def test_our_client_talks_to_a_server_of_grpc_go() -> None:
    await asyncio.to_thread(build)
    port = free_port()
    with program(OUT / "runtime", "-address", f"127.0.0.1:{port}"):
        await asyncio.to_thread(wait_listening, port)
        async with (
            running(runtime_address=f"127.0.0.1:{port}") as facade,
            asyncio.timeout(LIMIT),
            connect(facade.ws) as socket,
        ):
            await socket.recv()
            for _ in range(3):
                assert len(await answer(socket, CHUNKS)) == CHUNKS
