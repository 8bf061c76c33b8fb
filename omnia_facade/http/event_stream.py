"""The event stream of a run on a socket."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, cast

from aiohttp import web

from omnia_facade.backend.events import Done, Failed, ToolCallEvent, TurnEvent
from omnia_facade.doors import sse
from omnia_facade.doors.port import Frames


class StreamReader:
    """Writes the frames of a run to a socket: once in a round of the event loop.

    A piece of text is written from the call that brings it. aiohttp's own `write` is a coroutine,
    which would need a task.
    """

    __slots__ = (
        "_beat",
        "_chunked",
        "_frames",
        "_heartbeat",
        "_loop",
        "_pending",
        "_protocol",
        "_text",
        "_wrote",
    )

    def __init__(
        self,
        request: web.BaseRequest,
        frames: Frames,
        heartbeat: float,
    ) -> None:
        """Write to the connection of a request; a comment after `heartbeat` seconds of silence."""
        self._loop = asyncio.get_running_loop()
        self._protocol = cast("Any", request.protocol)
        self._chunked = request.version >= (1, 1)
        self._frames = frames
        self._text = frames.text
        self._heartbeat = heartbeat
        self._pending: list[str] = []
        self._wrote = self._loop.time()
        self._beat = self._loop.call_later(heartbeat, self._keep_alive)
        self._put(frames.open())

    def text(self, text: str) -> bool:
        self._put(self._text(text))
        return not self._protocol.writing_paused

    def event(self, event: TurnEvent) -> bool:
        self._put(self._frames.event(event))
        return not self._protocol.writing_paused

    def park(self, calls: Sequence[ToolCallEvent]) -> None:
        self._put(self._frames.park(calls))

    def end(self, outcome: Done | Failed) -> None:
        self._put(self._frames.end(outcome))

    async def drain(self) -> None:
        """Write what is pending, and wait until the socket takes more, or is lost."""
        self._flush()
        if self._protocol.writing_paused:
            # A lost connection cancels the request's handler, which ends the reading.
            with contextlib.suppress(ConnectionError):
                await self._protocol._drain_helper()  # noqa: SLF001 - as aiohttp's writer does

    def close(self) -> None:
        """Stop writing."""
        self._beat.cancel()
        self._pending.clear()

    def _put(self, frame: str) -> None:
        if frame:
            if not self._pending:
                self._loop.call_soon(self._flush)
            self._pending.append(frame)

    def _flush(self) -> None:
        if self._pending:
            data = "".join(self._pending).encode()
            self._pending.clear()
            self._write(data)

    def _write(self, data: bytes) -> None:
        transport = self._protocol.transport
        if transport is not None and not transport.is_closing():
            transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
            self._wrote = self._loop.time()

    def _keep_alive(self) -> None:
        due = self._wrote + self._heartbeat - self._loop.time()
        if due <= 0:
            if not self._protocol.writing_paused:
                self._write(sse.KEEP_ALIVE)
            due = self._heartbeat
        self._beat = self._loop.call_later(due, self._keep_alive)
