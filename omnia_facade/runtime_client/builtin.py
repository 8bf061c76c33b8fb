"""The built-in transport to a runtime."""

from omnia_core import names
from omnia_core.errors import code_of_status
from omnia_facade.runtime_client.port import RuntimeFailed
from omnia_facade.runtime_client.transport import CallMetadata, ReceiveMessage, RemoteStream
from omnia_rpc.client import Channel, ClientCall
from omnia_rpc.headers import RpcFailed


class BuiltinRuntimeTransport:
    """A channel to one host and port."""

    def __init__(
        self, host: str, port: int, ready_seconds: float = 0.0, preamble: bytes = b""
    ) -> None:
        """Calls wait for `ready_seconds` while a runtime starts; `preamble` is sent first."""
        self._channel = Channel(
            host,
            port,
            max_message_bytes=names.MAX_MESSAGE_BYTES,
            user_agent="omnia-facade",
            ready_seconds=ready_seconds,
            preamble=preamble,
        )

    def stream(self, path: str, metadata: CallMetadata) -> RemoteStream:
        return BuiltinStream(self._channel.call(path, metadata, wait_for_ready=True))

    async def unary(
        self,
        path: str,
        request: bytes,
        metadata: CallMetadata,
        seconds: float,
        *,
        wait_for_ready: bool,
    ) -> bytes:
        try:
            return await self._channel.unary(
                path, request, metadata, seconds, wait_for_ready=wait_for_ready
            )
        except RpcFailed as failed:
            raise _failed(failed) from failed

    async def close(self) -> None:
        await self._channel.close()


class BuiltinStream:
    """One call."""

    __slots__ = ("_call",)

    def __init__(self, call: ClientCall) -> None:
        self._call = call

    @property
    def ended(self) -> bool:
        return self._call.done

    async def write(self, message: bytes) -> bool:
        try:
            await self._call.write(message)
        except RpcFailed:
            return False
        return True

    async def read(self, receive: ReceiveMessage) -> bytes | None:
        try:
            return await self._call.read(receive)
        except RpcFailed as failed:
            raise _failed(failed) from failed

    def cancel(self) -> None:
        self._call.cancel()


def _failed(failed: RpcFailed) -> RuntimeFailed:
    return RuntimeFailed(code_of_status(int(failed.code)), str(failed))
