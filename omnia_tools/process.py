"""The process of a file, as the server sees it."""

import asyncio
import contextlib
import itertools
import signal
import sys
from pathlib import Path

from msgspec import json

from omnia_tools.messages import LENGTH, CallAnswer, CallRequest, Hello, OfferedTool, packed

START_SECONDS = 60.0
# How long a call has to end when its time is over, before its process is replaced.
GRACE_SECONDS = 1.0


class FileProcess:
    """One started process.

    Attributes:
        retired: gets no further calls, because one of its calls goes on after its time; it ends
            with the last of the others.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._calls: dict[int, asyncio.Future[CallAnswer]] = {}
        self._ids = itertools.count(1)
        self._reading: asyncio.Task[None] | None = None
        self.hello = Hello([], [])
        self.retired = False

    @classmethod
    async def start(cls, file: Path, shown: str) -> "FileProcess":
        """Start the process of a file and wait for its tools.

        Raises:
            TimeoutError: the file does not end to load.
            ConnectionError: the process has ended; the message says how.
        """
        process = cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-B", "-m", "omnia_tools.worker", str(file), shown),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                process.hello = json.decode(await process._read(), type=Hello)
        except asyncio.IncompleteReadError:
            raise ConnectionError(await process.ended()) from None
        except BaseException:
            process.kill()
            raise
        process._reading = asyncio.create_task(process._receive())
        return process

    @property
    def running(self) -> bool:
        """Whether it takes calls."""
        return not self.retired and self._process.returncode is None

    async def call(self, tool: str, arguments: dict[str, object], timeout: float) -> CallAnswer:
        """Call a tool; an answer says so when the time is over, or the process has ended."""
        key = next(self._ids)
        answer = self._calls[key] = asyncio.get_running_loop().create_future()
        try:
            self._send(CallRequest(key, timeout, tool, arguments))
            # The process itself reports the timeout, unless it is blocked.
            async with asyncio.timeout(timeout + GRACE_SECONDS):
                found: CallAnswer = await answer
                self.retired = self.retired or found.blocked
                return found
        except TimeoutError:
            self.retired = True
            return CallAnswer(key, f"{tool} did not answer within {timeout:g} s", is_error=True)
        except asyncio.CancelledError:
            self._send(CallRequest(key))
            raise
        finally:
            self._calls.pop(key, None)
            if self.retired and not self._calls:
                self.kill()

    def retire(self) -> None:
        """Let the running calls end, and then the process."""
        self.retired = True
        if not self._calls:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> str:
        """Wait for the end; return how it ended, as the end of a sentence."""
        code = await self._process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"ended its process ({how})"

    async def close(self) -> None:
        """End it, and wait for that."""
        self.kill()
        await self._process.wait()
        if self._reading:
            await asyncio.wait([self._reading])

    def _send(self, request: CallRequest) -> None:
        assert self._process.stdin  # noqa: S101 - it is a pipe
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(packed(request))

    async def _read(self) -> bytes:
        assert self._process.stdout  # noqa: S101 - it is a pipe
        (length,) = LENGTH.unpack(await self._process.stdout.readexactly(LENGTH.size))
        return await self._process.stdout.readexactly(length)

    async def _receive(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                answer = json.decode(await self._read(), type=CallAnswer)
                waiting = self._calls.get(answer.id)
                if waiting and not waiting.done():
                    waiting.set_result(answer)
        how = await self.ended()
        for key, waiting in self._calls.items():
            if not waiting.done():
                waiting.set_result(CallAnswer(key, how, is_error=True))


class ToolFile:
    """A file of tools: its process, started again when it has ended.

    Attributes:
        tools: by name, without those that have a problem.
        problems: with file and line.
        failed: the file cannot be run.
    """

    def __init__(self, path: Path, shown: str) -> None:
        self.path = path
        self._shown = shown
        self._process: FileProcess | None = None
        self._starting = asyncio.Lock()
        self.tools: dict[str, OfferedTool] = {}
        self.problems: list[str] = []
        self.failed = False

    async def start(self) -> None:
        """Load the file; what is wrong is in `problems`."""
        try:
            process = await self._running()
        except (ConnectionError, TimeoutError) as error:
            why = str(error) or f"did not load within {START_SECONDS:g} s"
            where = f"{self._shown}/{self.path.name}:1"
            self.problems, self.failed = [f"{where}: the file {why}"], True
            return
        self.tools = {tool.name: tool for tool in process.hello.tools}
        self.problems, self.failed = process.hello.problems, process.hello.failed

    async def call(self, tool: str, arguments: dict[str, object], limit: float) -> CallAnswer:
        """Call a tool of the file; `limit` in seconds holds for tools that take longer, too."""
        try:
            process = await self._running()
        except (ConnectionError, TimeoutError) as error:
            why = str(error) or "does not load"
            return CallAnswer(0, f"{tool} cannot be called: its file {why}", is_error=True)
        if tool not in {each.name for each in process.hello.tools}:
            return CallAnswer(0, f"{tool} cannot be called: its file does not load", is_error=True)
        answer = await process.call(tool, arguments, min(limit, self.tools[tool].timeout))
        if answer.is_error and answer.content.startswith("ended its process"):
            return CallAnswer(0, f"{tool} {answer.content}; the next call starts it again", True)
        return answer

    def retire(self) -> None:
        """Let the running calls end, and then the process."""
        if self._process:
            self._process.retire()

    async def close(self) -> None:
        """End the process."""
        if self._process:
            await self._process.close()

    async def _running(self) -> FileProcess:
        async with self._starting:
            if self._process is None or not self._process.running:
                self._process = await FileProcess.start(self.path, self._shown)
            return self._process
