"""Serves the runtime over the built-in gRPC transport."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]

from omnia_core.conversation.chunk import chunk_message
from omnia_core.errors import GRPC_STATUS, OmniaError
from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_rpc.headers import RpcFailed, StatusCode
from omnia_rpc.server import Handler, Server, ServerCall
from omnia_runtime.server.port import PREFIX, SERVICE, Metadata, RuntimeServicer

_HEALTH = "/grpc.health.v1.Health/"


class BuiltinServer:
    """A gRPC server over `omnia_rpc`."""

    def __init__(self, service: RuntimeServicer) -> None:
        self._health = _HealthServicer()
        self._server = Server(
            {
                PREFIX + "Converse": _converse(service),
                PREFIX + "Invoke": _unary(service.invoke, pb.InvocationRequest),
                PREFIX + "Health": _unary(service.health, pb.HealthRequest),
                PREFIX + "HasConversation": _unary(
                    service.has_conversation, pb.HasConversationRequest
                ),
                PREFIX + "CancelTurn": _unary(service.cancel_turn, pb.CancelTurnRequest),
                PREFIX + "ReadConversation": _unary(
                    service.read_conversation, pb.ReadConversationRequest
                ),
                PREFIX + "ListConversations": _unary(
                    service.list_conversations, pb.ListConversationsRequest
                ),
                PREFIX + "NameConversation": _unary(
                    service.name_conversation, pb.NameConversationRequest
                ),
                PREFIX + "DeleteConversation": _unary(
                    service.delete_conversation, pb.DeleteConversationRequest
                ),
                PREFIX + "DescribeAgent": _unary(service.describe_agent, pb.DescribeAgentRequest),
                PREFIX + "ComposePrompt": _unary(service.compose_prompt, pb.ComposePromptRequest),
                PREFIX + "ForkConversation": _unary(
                    service.fork_conversation, pb.ForkConversationRequest
                ),
                _HEALTH + "Check": self._health.check,
                _HEALTH + "Watch": self._health.watch,
            },
            max_message_bytes=MAX_MESSAGE_BYTES,
        )

    async def start(self, host: str, port: int) -> None:
        await self._server.start(host, port)

    async def leave(self) -> None:
        self._health.leave()

    async def stop(self, grace: float) -> None:
        await self._server.stop(grace)


class _Writer:
    __slots__ = ("_call",)

    def __init__(self, call: ServerCall) -> None:
        self._call = call

    def send_text(self, text: str) -> bool:
        return self._call.try_write(chunk_message(text))

    async def drain(self) -> None:
        # One round of the event loop until the text is written, one until the socket has it.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await self._call.drain()

    async def write(self, message: pb.ServerMessage) -> None:
        await self._call.write(message.SerializeToString())


def _converse(service: RuntimeServicer) -> Handler:
    async def handle(call: ServerCall) -> None:
        await service.converse(_read_messages(call), _Writer(call), _text_metadata(call))

    return handle


async def _read_messages(call: ServerCall) -> AsyncIterator[pb.ClientMessage]:
    while (data := await call.read()) is not None:
        yield pb.ClientMessage.FromString(data)


# Any: generated messages have no common base type with these methods.
def _unary(method: Callable[[Any, Metadata], Awaitable[Any]], request: Any) -> Handler:
    async def handle(call: ServerCall) -> None:
        data = await call.read()
        if data is None:
            raise RpcFailed(StatusCode.INTERNAL, "the call has no message")
        try:
            response = await method(request.FromString(data), _text_metadata(call))
        except OmniaError as error:
            raise RpcFailed(StatusCode(GRPC_STATUS[error.code]), error.message) from error
        await call.write(response.SerializeToString())

    return handle


def _text_metadata(call: ServerCall) -> dict[str, str]:
    return {name: value for name, value in call.metadata.items() if isinstance(value, str)}


class _HealthServicer:
    """grpc.health.v1, for the whole server ("") and for the service."""

    def __init__(self) -> None:
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        self._leaving.set()

    async def check(self, call: ServerCall) -> None:
        status = self._status(await self._read_service(call))
        if status is None:
            raise RpcFailed(StatusCode.NOT_FOUND, "unknown service")
        await call.write(_encode_status(status))

    async def watch(self, call: ServerCall) -> None:
        name = await self._read_service(call)
        response = health_pb2.HealthCheckResponse
        await call.write(_encode_status(self._status(name) or response.SERVICE_UNKNOWN))
        await self._leaving.wait()
        if self._status(name):
            await call.write(_encode_status(response.NOT_SERVING))

    def _status(self, service: str) -> int | None:
        if service not in ("", SERVICE):
            return None
        response = health_pb2.HealthCheckResponse
        status: int = response.NOT_SERVING if self._leaving.is_set() else response.SERVING
        return status

    @staticmethod
    async def _read_service(call: ServerCall) -> str:
        request = health_pb2.HealthCheckRequest.FromString(await call.read() or b"")
        return str(request.service)


def _encode_status(status: int) -> bytes:
    response: bytes = health_pb2.HealthCheckResponse(status=status).SerializeToString()
    return response
