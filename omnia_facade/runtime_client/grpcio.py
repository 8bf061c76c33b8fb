"""The grpcio transport to a runtime."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from omnia_core import names
from omnia_core.errors import Code, code_of_status
from omnia_facade.runtime_client.port import RuntimeFailed
from omnia_facade.runtime_client.transport import CallMetadata, ReceiveMessage, RemoteStream

_OPTIONS = (
    ("grpc.max_send_message_length", names.MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", names.MAX_MESSAGE_BYTES),
    # The runtime is in the same pod: a restarted one is reachable again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
)


class GrpcioRuntimeTransport:
    """A channel to `host:port`."""

    def __init__(self, address: str, ready_seconds: float = 0.0) -> None:
        """Calls wait for `ready_seconds` while a runtime starts."""
        self._ready_seconds = ready_seconds
        self._unreachable_since: float | None = None
        # Any: grpcio's types do not allow messages of bytes.
        self._channel: Any = aio.insecure_channel(address, options=_OPTIONS)

    def stream(self, path: str, metadata: CallMetadata) -> RemoteStream:
        wait = self._seconds_to_wait()
        begin = self._channel.stream_stream(path)
        call = begin(metadata=tuple(metadata), wait_for_ready=wait > 0)
        return GrpcioStream(call, functools.partial(self._ready, wait) if wait > 0 else None)

    async def unary(
        self,
        path: str,
        request: bytes,
        metadata: CallMetadata,
        seconds: float,
        *,
        wait_for_ready: bool,
    ) -> bytes:
        if wait_for_ready and (wait := self._seconds_to_wait()) > 0:
            await self._ready(min(wait, seconds))
        call = self._channel.unary_unary(path)
        try:
            response: bytes = await call(request, timeout=seconds, metadata=tuple(metadata))
        except aio.AioRpcError as error:
            raise _failed(error) from error
        return response

    async def close(self) -> None:
        await self._channel.close()

    def _seconds_to_wait(self) -> float:
        """Return how long a call may still wait for the runtime to start; 0 if it is reachable."""
        if self._channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            self._unreachable_since = None
            return 0.0
        now = asyncio.get_running_loop().time()
        if self._unreachable_since is None:
            self._unreachable_since = now
        return max(0.0, self._unreachable_since + self._ready_seconds - now)

    async def _ready(self, seconds: float) -> bool:
        """Wait for the connection; return whether it is established."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._channel.channel_ready(), seconds)
            return True
        return False


class GrpcioStream:
    """One call."""

    __slots__ = ("_call", "_ready", "_unreachable", "_writing")

    def __init__(self, call: Any, ready: Callable[[], Awaitable[bool]] | None) -> None:
        """`ready` waits for the connection before the first message."""
        self._call = call
        self._ready = ready
        self._unreachable = False
        self._writing = asyncio.Lock()

    @property
    def ended(self) -> bool:
        return bool(self._call.done())

    async def write(self, message: bytes) -> bool:
        try:
            # gRPC allows one write at a time; a cancel or a tool result may come during another.
            async with self._writing:
                if self._ready and not await self._connected(self._ready):
                    return False
                await self._call.write(message)
        except (aio.AioRpcError, asyncio.InvalidStateError):
            return False
        except asyncio.CancelledError:
            if _task_cancelled():
                raise
            return False
        return True

    async def read(self, receive: ReceiveMessage) -> bytes | None:
        while (message := await self._read()) is not None:
            if not receive(message):
                break
        return message

    async def _read(self) -> bytes | None:
        try:
            message = await self._call.read()
        except aio.AioRpcError as error:
            raise _failed(error) from error
        except asyncio.CancelledError:
            if _task_cancelled():
                raise
            if self._unreachable:
                raise RuntimeFailed(Code.UNAVAILABLE, "UNAVAILABLE: not reachable") from None
            raise RuntimeFailed(Code.CANCELLED, "the stream was cancelled here") from None
        return message if isinstance(message, bytes) else None

    def cancel(self) -> None:
        self._call.cancel()

    async def _connected(self, ready: Callable[[], Awaitable[bool]]) -> bool:
        """Wait for the connection; without one, end the call."""
        self._ready = None
        if await ready():
            return True
        if not self._call.done():
            self._unreachable = True
            self._call.cancel()
        return False


def _task_cancelled() -> bool:
    """Whether the task is cancelled; gRPC raises the same error when only the call is."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _failed(error: aio.AioRpcError) -> RuntimeFailed:
    status: grpc.StatusCode = error.code()
    return RuntimeFailed(
        code_of_status(status.value[0]), f"{status.name}: {error.details() or 'no details'}"
    )
