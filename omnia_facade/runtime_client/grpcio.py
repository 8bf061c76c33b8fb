"""The grpcio transport to a runtime."""

import asyncio
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

    def __init__(self, address: str) -> None:
        # Any: grpcio's types do not allow messages of bytes.
        self._channel: Any = aio.insecure_channel(address, options=_OPTIONS)

    def stream(self, path: str, metadata: CallMetadata) -> RemoteStream:
        return GrpcioStream(self._channel.stream_stream(path)(metadata=tuple(metadata)))

    async def unary(
        self, path: str, request: bytes, metadata: CallMetadata, seconds: float
    ) -> bytes:
        call = self._channel.unary_unary(path)
        try:
            response: bytes = await call(request, timeout=seconds, metadata=tuple(metadata))
        except aio.AioRpcError as error:
            raise _failed(error) from error
        return response

    async def close(self) -> None:
        await self._channel.close()


class GrpcioStream:
    """One call."""

    __slots__ = ("_call", "_writing")

    def __init__(self, call: Any) -> None:
        self._call = call
        self._writing = asyncio.Lock()

    @property
    def ended(self) -> bool:
        return bool(self._call.done())

    async def write(self, message: bytes) -> bool:
        try:
            # gRPC allows one write at a time; a cancel or a tool result may come during another.
            async with self._writing:
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
            raise RuntimeFailed(Code.CANCELLED, "the stream was cancelled here") from None
        return message if isinstance(message, bytes) else None

    def cancel(self) -> None:
        self._call.cancel()


def _task_cancelled() -> bool:
    """Whether the task is cancelled; gRPC raises the same error when only the call is."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _failed(error: aio.AioRpcError) -> RuntimeFailed:
    status: grpc.StatusCode = error.code()
    return RuntimeFailed(
        code_of_status(status.value[0]), f"{status.name}: {error.details() or 'no details'}"
    )
