"""Serves the runtime over grpcio."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from omnia_core.errors import GRPC_STATUS, OmniaError
from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_core.wire.runtime.v1 import runtime_pb2_grpc
from omnia_runtime.server.port import SERVICE, Metadata, RuntimeServicer

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # With port sharing, two runtimes would silently share the streams of one port.
    ("grpc.so_reuseport", 0),
)
_STATUS = {status.value[0]: status for status in grpc.StatusCode}

_Context = Any  # grpc.aio.ServicerContext, which is generic in the message types


class GrpcioServer:
    """A gRPC server of grpcio."""

    def __init__(self, service: RuntimeServicer) -> None:
        self._server = grpc.aio.server(options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        runtime_pb2_grpc.add_RuntimeServiceServicer_to_server(  # type: ignore[no-untyped-call] # generated
            _Servicer(service), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self, host: str, port: int) -> None:
        self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        await self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()

    async def leave(self) -> None:
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        await self._server.stop(grace)


class _Writer:
    """grpcio accepts one write at a time, so pieces of text are queued until `drain`."""

    def __init__(self, context: _Context) -> None:
        self._context = context
        self._queued: deque[str] = deque()
        self._writing = asyncio.Lock()

    def send_text(self, text: str) -> bool:
        self._queued.append(text)
        return False

    async def drain(self) -> None:
        async with self._writing:
            await self._write_queued()

    async def write(self, message: pb.ServerMessage) -> None:
        async with self._writing:
            await self._write_queued()
            await self._context.write(message)

    async def _write_queued(self) -> None:
        while self._queued:
            text = self._queued.popleft()
            await self._context.write(pb.ServerMessage(chunk=pb.Chunk(content=text)))


class _Servicer(runtime_pb2_grpc.RuntimeServiceServicer):
    def __init__(self, service: RuntimeServicer) -> None:
        self._service = service

    async def Converse(  # noqa: N802 - the method name of the service
        self, request_iterator: AsyncIterator[pb.ClientMessage], context: _Context
    ) -> None:
        await self._service.converse(request_iterator, _Writer(context), _text_metadata(context))

    async def Invoke(  # noqa: N802 - likewise
        self, request: pb.InvocationRequest, context: _Context
    ) -> pb.InvocationResponse:
        response: pb.InvocationResponse = await _run(self._service.invoke, request, context)
        return response

    async def Health(  # noqa: N802 - likewise
        self, request: pb.HealthRequest, context: _Context
    ) -> pb.HealthResponse:
        response: pb.HealthResponse = await _run(self._service.health, request, context)
        return response

    async def HasConversation(  # noqa: N802 - likewise
        self, request: pb.HasConversationRequest, context: _Context
    ) -> pb.HasConversationResponse:
        response: pb.HasConversationResponse = await _run(
            self._service.has_conversation, request, context
        )
        return response

    async def CancelTurn(  # noqa: N802 - likewise
        self, request: pb.CancelTurnRequest, context: _Context
    ) -> pb.CancelTurnResponse:
        response: pb.CancelTurnResponse = await _run(self._service.cancel_turn, request, context)
        return response

    async def ReadConversation(  # noqa: N802 - likewise
        self, request: pb.ReadConversationRequest, context: _Context
    ) -> pb.ReadConversationResponse:
        response: pb.ReadConversationResponse = await _run(
            self._service.read_conversation, request, context
        )
        return response

    async def ListConversations(  # noqa: N802 - likewise
        self, request: pb.ListConversationsRequest, context: _Context
    ) -> pb.ListConversationsResponse:
        response: pb.ListConversationsResponse = await _run(
            self._service.list_conversations, request, context
        )
        return response

    async def NameConversation(  # noqa: N802 - likewise
        self, request: pb.NameConversationRequest, context: _Context
    ) -> pb.NameConversationResponse:
        response: pb.NameConversationResponse = await _run(
            self._service.name_conversation, request, context
        )
        return response

    async def DeleteConversation(  # noqa: N802 - likewise
        self, request: pb.DeleteConversationRequest, context: _Context
    ) -> pb.DeleteConversationResponse:
        response: pb.DeleteConversationResponse = await _run(
            self._service.delete_conversation, request, context
        )
        return response

    async def DescribeAgent(  # noqa: N802 - likewise
        self, request: pb.DescribeAgentRequest, context: _Context
    ) -> pb.DescribeAgentResponse:
        response: pb.DescribeAgentResponse = await _run(
            self._service.describe_agent, request, context
        )
        return response

    async def ComposePrompt(  # noqa: N802 - likewise
        self, request: pb.ComposePromptRequest, context: _Context
    ) -> pb.ComposePromptResponse:
        response: pb.ComposePromptResponse = await _run(
            self._service.compose_prompt, request, context
        )
        return response

    async def ForkConversation(  # noqa: N802 - likewise
        self, request: pb.ForkConversationRequest, context: _Context
    ) -> pb.ForkConversationResponse:
        response: pb.ForkConversationResponse = await _run(
            self._service.fork_conversation, request, context
        )
        return response


async def _run(
    method: Callable[[Any, Metadata], Awaitable[Any]], request: object, context: _Context
) -> Any:
    try:
        return await method(request, _text_metadata(context))
    except OmniaError as error:
        await context.abort(_STATUS[GRPC_STATUS[error.code]], error.message)


def _text_metadata(context: _Context) -> dict[str, str]:
    pairs = context.invocation_metadata() or ()
    return {name: value for name, value in pairs if isinstance(value, str)}
