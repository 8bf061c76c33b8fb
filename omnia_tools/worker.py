"""`python -m omnia_tools.worker FILE SHOWN`: the process that runs the tools of one file.

It is a process of its own, so that a tool that ends or blocks its process costs only its own file.
"""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import json

from omnia_core.conversation.tools import ToolFailed
from omnia_tools.declaration import (
    ArgumentsInvalid,
    ResultInvalid,
    TimeLimitExceeded,
    Tool,
    call,
)
from omnia_tools.function import FunctionTool
from omnia_tools.loading import Loaded, Place, load
from omnia_tools.messages import (
    LARGEST,
    LENGTH,
    CallAnswer,
    CallRequest,
    Hello,
    OfferedTool,
    packed,
)

_THREADS = 64


class Worker:
    """Answers calls that come over a pipe."""

    def __init__(self, loaded: Loaded, place: Place, output: int) -> None:
        self._tools = loaded.tools
        self._place = place
        self._output = output
        self._calls: dict[int, asyncio.Task[None]] = {}

    async def run(self, requests: asyncio.StreamReader) -> None:
        """Answer until the server closes the pipe."""
        while True:
            try:
                (length,) = LENGTH.unpack(await requests.readexactly(LENGTH.size))
                request = json.decode(await requests.readexactly(length), type=CallRequest)
            except asyncio.IncompleteReadError:
                return
            if request.tool:
                self._calls[request.id] = asyncio.create_task(self._call(request))
            elif request.id in self._calls:
                self._calls[request.id].cancel()

    async def _call(self, request: CallRequest) -> None:
        try:
            await self._send(request)
        finally:
            del self._calls[request.id]

    async def _send(self, request: CallRequest) -> None:
        tool, declaration = self._tools[request.tool]
        answer = await self._answer(tool, declaration.name, request)
        message = packed(answer)
        if len(message) > LARGEST:
            size = f"{len(message) >> 20} MiB"
            text = f"{request.tool} returned {size}: expected at most {LARGEST >> 20} MiB"
            message = packed(CallAnswer(request.id, text, is_error=True))
        view = memoryview(message)
        while view:
            view = view[os.write(self._output, view) :]

    async def _answer(self, tool: Tool, name: str, request: CallRequest) -> CallAnswer:
        try:
            return CallAnswer(
                request.id, await call(tool, name, request.arguments, request.timeout)
            )
        except (ArgumentsInvalid, ToolFailed) as error:
            return CallAnswer(request.id, str(error), is_error=True)
        except ResultInvalid as error:
            self._log(name, str(error))
            return CallAnswer(request.id, str(error), is_error=True)
        except TimeLimitExceeded as error:
            # A thread cannot be stopped.
            blocked = isinstance(tool, FunctionTool) and not tool.is_async
            self._log(name, str(error))
            return CallAnswer(request.id, str(error), is_error=True, blocked=blocked)
        except BaseException as error:  # noqa: BLE001 - a tool may raise anything, SystemExit too
            self._log(name, self._place.trace(error))
            where = self._place.of_error(error)
            place = f" at {Path(where).name}" if where else ""
            # The text of an error may be confidential, so only the log has it.
            text = f"{name} failed: {type(error).__name__}{place}; its log has the rest"
            return CallAnswer(request.id, text, is_error=True)

    def _log(self, name: str, text: str) -> None:
        print(f"{name}: {text}", file=sys.stderr, flush=True)


def _own_pipes() -> tuple[int, int]:
    """Return input and output of the protocol; what tools read and print goes elsewhere."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, answers


async def _serve(loaded: Loaded, place: Place, requests: int, answers: int) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    reader = asyncio.StreamReader(limit=1 << 20)
    with os.fdopen(requests, "rb", buffering=0) as pipe:
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        await Worker(loaded, place, answers).run(reader)
        transport.close()


def main() -> None:
    """Run the tools of a file until the server closes the pipe."""
    file, shown = Path(sys.argv[1]), sys.argv[2]
    requests, answers = _own_pipes()
    place = Place(file.parent, shown)
    loaded = load(file, place)
    tools = [
        OfferedTool(each.name, each.description, each.input_schema, each.timeout)
        for _, each in loaded.tools.values()
    ]
    os.write(answers, packed(Hello(tools, loaded.problems, loaded.failed)))
    asyncio.run(_serve(loaded, place, requests, answers))
    # Threads of calls that never end would keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
