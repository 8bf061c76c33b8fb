"""The runtime over gRPC."""

import asyncio
from typing import Any, TypeAlias

import grpc
from grpc import aio

from omnia_core import names
from omnia_core.errors import Code, code_of_status
from omnia_core.telemetry.tracing import trace_headers
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.auth.principal import Principal
from omnia_facade.runtime_client import mapping
from omnia_facade.runtime_client.caller import caller_metadata
from omnia_facade.runtime_client.port import (
    CancelRequest,
    Invocation,
    RuntimeFailed,
    RuntimeHealth,
)
from omnia_facade.turns.events import ToolAnswer, TurnEvent, TurnRequest
from omnia_facade.turns.handler import Resume

HEALTH_SECONDS = 2.0
PROBE_SECONDS = 5.0

_SERVICE = "/omnia.runtime.v1.RuntimeService/"
_OPTIONS = (
    ("grpc.max_send_message_length", names.MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", names.MAX_MESSAGE_BYTES),
    # A runtime that was restarted is found again soon: it is in the same pod.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
)

_Metadata: TypeAlias = tuple[tuple[str, str], ...]
_Converse: TypeAlias = "aio.StreamStreamMultiCallable[pb.ClientMessage, pb.ServerMessage]"
_Call: TypeAlias = "aio.StreamStreamCall[pb.ClientMessage, pb.ServerMessage]"


class GrpcRuntimeClient:
    """A runtime at `host:port`."""

    def __init__(
        self, address: str, *, agent: str, namespace: str, show_tools: bool, call_seconds: float
    ) -> None:
        self._call_seconds = call_seconds
        self._channel = aio.insecure_channel(address, options=_OPTIONS)
        self._metadata: _Metadata = (
            (names.METADATA_AGENT_NAME, agent),
            (names.METADATA_NAMESPACE, namespace),
        )
        self._show: _Metadata = ((names.METADATA_SHOW_TOOLS, "true"),) if show_tools else ()
        self._converse: _Converse = self._channel.stream_stream(
            _SERVICE + "Converse",
            request_serializer=pb.ClientMessage.SerializeToString,
            response_deserializer=pb.ServerMessage.FromString,
        )
        self._invoke = self._unary("Invoke", pb.InvocationRequest, pb.InvocationResponse)
        self._health = self._unary("Health", pb.HealthRequest, pb.HealthResponse)
        self._probe = self._unary(
            "HasConversation", pb.HasConversationRequest, pb.HasConversationResponse
        )

    def converse(self, session_id: str, caller: Principal) -> "GrpcStream":
        metadata = (
            *self._metadata,
            *self._show,
            (names.METADATA_SESSION_ID, session_id),
            *caller_metadata(caller),
            *trace_headers().items(),
        )
        return GrpcStream(self._converse(metadata=metadata), session_id)

    async def has_conversation(self, session_id: str) -> Resume:
        request = pb.HasConversationRequest(session_id=session_id)
        try:
            metadata = (*self._metadata, (names.METADATA_SESSION_ID, session_id))
            response = await self._probe(request, timeout=PROBE_SECONDS, metadata=metadata)
        except aio.AioRpcError as error:
            raise _failed(error) from error
        return mapping.to_resume(response)

    async def invoke(self, input_json: str, invocation_id: str, caller: Principal) -> Invocation:
        request = pb.InvocationRequest(input_json=input_json, invocation_id=invocation_id)
        metadata = (
            *self._metadata,
            (names.METADATA_REQUEST_ID, invocation_id),
            *caller_metadata(caller),
            *trace_headers().items(),
        )
        try:
            response = await self._invoke(request, timeout=self._call_seconds, metadata=metadata)
        except aio.AioRpcError as error:
            raise _failed(error) from error
        return mapping.to_invocation(response)

    async def health(self) -> RuntimeHealth:
        try:
            response = await self._health(
                pb.HealthRequest(), timeout=HEALTH_SECONDS, metadata=self._metadata
            )
        except aio.AioRpcError as error:
            raise _failed(error) from error
        return RuntimeHealth(response.healthy, response.status)

    async def close(self) -> None:
        await self._channel.close()

    def _unary(self, method: str, request: Any, response: Any) -> Any:
        return self._channel.unary_unary(
            _SERVICE + method,
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )


class GrpcStream:
    """One Converse call."""

    __slots__ = ("_call", "_session_id", "_writing")

    def __init__(self, call: _Call, session_id: str) -> None:
        self._call = call
        self._session_id = session_id
        self._writing = asyncio.Lock()

    @property
    def ended(self) -> bool:
        return self._call.done()

    async def send(self, message: TurnRequest | ToolAnswer | CancelRequest) -> bool:
        request = mapping.to_client_message(self._session_id, message)
        try:
            # gRPC takes one write at a time; a cancel or a tool's result may come during another.
            async with self._writing:
                await self._call.write(request)
        except (aio.AioRpcError, asyncio.InvalidStateError):
            return False
        except asyncio.CancelledError:
            if _really_cancelled():
                raise
            return False
        return True

    async def read(self) -> TurnEvent | None:
        try:
            while True:
                message = await self._call.read()
                if not isinstance(message, pb.ServerMessage):
                    return None
                event = mapping.to_event(message)
                if event is not None:
                    return event
        except aio.AioRpcError as error:
            raise _failed(error) from error
        except asyncio.CancelledError:
            if _really_cancelled():
                raise
            raise RuntimeFailed(Code.CANCELLED, "the stream was cancelled here") from None

    def cancel(self) -> None:
        self._call.cancel()


def _really_cancelled() -> bool:
    """Whether the task is cancelled; gRPC raises the same error when only the call is."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _failed(error: aio.AioRpcError) -> RuntimeFailed:
    status: grpc.StatusCode = error.code()
    return RuntimeFailed(
        code_of_status(status.value[0]), f"{status.name}: {error.details() or 'no details'}"
    )
