"""Counts of the project's structure: `python -m tests.contract.structure` prints them."""

import ast
import asyncio
import builtins
import contextlib
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from websockets.asyncio.client import connect

from omnia_core.env import FacadeEnv
from omnia_facade.app import FacadeServer
from omnia_runtime.app import Runtime
from tests.contract.packages import PACKAGES, ROOT
from tests.runtime.scripted import Mounted
from tests.services import free_port

LIMIT = 100.0


def product_files() -> Iterator[Path]:
    """Yield the product's Python files, without generated ones."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if "_pb2" not in file.name:
                yield file


def public_classes() -> dict[str, list[str]]:
    """Return the public classes of the packages: their names, and the files that define them."""
    found = defaultdict(list)
    for file in product_files():
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(file.relative_to(ROOT)))
    return found


def exceptions_made_once() -> list[str]:
    """Return the module constants that are exceptions.

    Each time that one is raised, its traceback grows, and with it what its frames refer to.
    """
    modules = {file: ast.parse(file.read_text()) for file in product_files()}
    classes = [node for tree in modules.values() for node in tree.body]
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for node in classes
        if isinstance(node, ast.ClassDef)
    }
    names = {name for name in dir(builtins) if name.endswith(("Exception", "Error"))}
    while more := {name for name, of in bases.items() if of & names} - names:
        names |= more
    return [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file, tree in modules.items()
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id in names
    ]


@contextlib.contextmanager
def files_passed() -> Iterator[set[str]]:
    """Collect the product's files of which a function is called, in any thread."""
    passed: set[str] = set()
    prefixes = tuple(f"{ROOT / package}/" for package in PACKAGES)

    def note(frame: Any, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            name = frame.f_code.co_filename
            if name.startswith(prefixes) and "_pb2" not in name:
                passed.add(name.removeprefix(f"{ROOT}/"))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield passed
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@contextlib.asynccontextmanager
async def pair(mounted: Mounted, **settings: str) -> AsyncIterator[str]:
    """Run a facade and a runtime in this process; give the address of the facade."""
    port, health_port = free_port(), free_port()
    runtime = asyncio.create_task(Runtime(mounted.env(**settings)).run())
    facade = FacadeServer(
        FacadeEnv.parse(
            {
                "OMNIA_AGENT_NAME": "agent",
                "OMNIA_BIND_ADDRESS": "127.0.0.1",
                "OMNIA_FACADE_ALLOW_UNAUTHENTICATED": "true",
                "OMNIA_FACADE_PORT": str(port),
                "OMNIA_HEALTH_PORT": str(health_port),
                "OMNIA_RUNTIME_ADDRESS": f"127.0.0.1:{mounted.grpc_port}",
                "OMNIA_FUNCTION_PATH": str(mounted.folder / "function.json"),
                **settings,
            }
        )
    )
    stop = asyncio.Event()
    serving = asyncio.create_task(facade.serve(stop))
    try:
        async with asyncio.timeout(LIMIT):
            await facade.serving.wait()
        yield f"127.0.0.1:{port}"
    finally:
        stop.set()
        await serving
        runtime.cancel()
        await asyncio.wait({runtime})


async def _warm(once: Callable[[], Awaitable[None]]) -> set[str]:
    """Return the files that one more turn or call passes, after some."""
    for _ in range(3):
        await once()
    with files_passed() as passed:
        await once()
    return passed


async def files_of_a_turn(folder: Path) -> set[str]:
    """Return the files that a warm WebSocket turn passes, in both programs."""
    async with pair(Mounted(folder)) as address, connect(f"ws://{address}/ws") as client:
        await client.recv()

        async def turn() -> None:
            await client.send('{"type": "message", "content": "hello"}')
            async with asyncio.timeout(LIMIT):
                while (frame := orjson.loads(await client.recv()))["type"] != "done":
                    assert frame["type"] == "chunk", frame

        return await _warm(turn)


async def files_of_a_call(folder: Path) -> set[str]:
    """Return the files that a warm function call passes, in both programs."""
    schema = {"type": "object"}
    mounted = Mounted(folder)
    mounted.write_function(schema, schema)
    mounted.write_responses({"scenarios": {"default": {"matches": [{"json": {"echo": "hi"}}]}}})
    async with (
        pair(mounted, OMNIA_MODE="function") as address,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT)) as client,
    ):

        async def call() -> None:
            body = {"message": "hi"}
            async with client.post(f"http://{address}/functions/fn", json=body) as response:
                assert response.status == 200, await response.text()

        return await _warm(call)


def main() -> None:
    """Print the counts."""
    twice = {name: files for name, files in public_classes().items() if len(files) > 1}
    print(f"public class names defined more than once: {len(twice)}")
    for what, count in (("WebSocket turn", files_of_a_turn), ("function call", files_of_a_call)):
        with tempfile.TemporaryDirectory() as folder:
            passed = asyncio.run(count(Path(folder)))
        print(f"files that a warm {what} passes: {len(passed)}")
        if "-v" in sys.argv:
            print(*sorted(passed), sep="\n")


if __name__ == "__main__":
    main()
