"""The stream of a run in a gRPC call."""

import asyncio
from collections.abc import Sequence

from omnia_facade.backend.events import Done, Failed, ToolCallEvent, TurnEvent
from omnia_facade.doors.a2a.frames import TaskFrames
from omnia_rpc.headers import RpcFailed, StatusCode
from omnia_rpc.server import ServerCall

_NOT_READ = "the client reads nothing; subscribe to the task"


class CallReader:
    """Writes the messages of a run to a call. The transport writes once in a round of the loop."""

    __slots__ = ("_call", "_frames", "_seconds", "_text")

    def __init__(self, call: ServerCall, frames: TaskFrames[bytes], seconds: float) -> None:
        """Write to a call, whose client may read nothing for so long."""
        self._call = call
        self._frames = frames
        self._text = frames.text
        self._seconds = seconds
        call.try_send(frames.open())

    def text(self, text: str) -> bool:
        return self._call.try_send(self._text(text))

    def event(self, event: TurnEvent) -> bool:
        messages = self._frames.event(event)
        return not messages or self._call.try_send(messages)

    def park(self, calls: Sequence[ToolCallEvent]) -> None:
        self._call.try_send(self._frames.park(calls))

    def end(self, outcome: Done | Failed) -> None:
        self._call.try_send(self._frames.end(outcome))

    async def drain(self) -> None:
        """Wait until the client takes more.

        Raises:
            RpcFailed: it takes nothing, or the call is over.
        """
        try:
            async with asyncio.timeout(self._seconds):
                await self._call.drain()
        except TimeoutError:
            raise RpcFailed(StatusCode.RESOURCE_EXHAUSTED, _NOT_READ) from None
