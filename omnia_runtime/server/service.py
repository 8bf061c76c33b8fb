"""The service omnia.runtime.v1."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog

from omnia_core.errors import Code, OmniaError
from omnia_core.names import CONTRACT_VERSION
from omnia_core.sessions import SessionStore, StoreUnavailable
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_core.wire.runtime.v1 import runtime_pb2_grpc
from omnia_runtime.reload import Live
from omnia_runtime.server.errors import INTERNAL_MESSAGE, grpc_status
from omnia_runtime.server.mapping import CAPABILITIES, invocation_response
from omnia_runtime.server.stream import ConversationStream
from omnia_runtime.turns.conversation import Conversations
from omnia_runtime.turns.invocation import Invocations

_log = structlog.get_logger()


class RuntimeService(runtime_pb2_grpc.RuntimeServiceServicer):
    """Maps calls to conversations and invocations."""

    def __init__(
        self,
        live: Live,
        store: SessionStore,
        conversations: Conversations,
        invocations: Invocations,
    ) -> None:
        self._live = live
        self._store = store
        self._conversations = conversations
        self._invocations = invocations
        self._streams: set[ConversationStream] = set()
        self._handlers: set[asyncio.Task[object]] = set()
        self._draining = False

    async def Converse(  # noqa: N802 - the service's name for it
        self,
        request_iterator: AsyncIterator[pb.ClientMessage],
        context: "grpc.aio.ServicerContext[pb.ClientMessage, pb.ServerMessage]",
    ) -> None:
        stream = ConversationStream(self._conversations, context, _text_metadata(context))
        handler = asyncio.current_task()
        if handler:
            self._handlers.add(handler)
            handler.add_done_callback(self._handlers.discard)
        self._streams.add(stream)
        if self._draining:
            stream.drain()
        try:
            await stream.serve(request_iterator)
        finally:
            self._streams.discard(stream)

    async def Invoke(  # noqa: N802 - the service's name for it
        self,
        request: pb.InvocationRequest,
        context: "grpc.aio.ServicerContext[pb.InvocationRequest, pb.InvocationResponse]",
    ) -> pb.InvocationResponse:
        for field in ("invocation_id", "input_json"):
            if not getattr(request, field):
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{field} is empty")
        try:
            invoked = await self._invocations.run(
                request.input_json, dict(request.metadata), _text_metadata(context)
            )
        except OmniaError as error:
            _log.warning("invocation failed", id=request.invocation_id, reason=error.message)
            await context.abort(grpc_status(error.code), error.message)
        except Exception:  # noqa: BLE001 - whatever it is, its text stays in the log
            _log.exception("invocation failed", id=request.invocation_id)
            await context.abort(grpc_status(Code.INTERNAL), INTERNAL_MESSAGE)
        return invocation_response(request.invocation_id, invoked)

    async def Health(  # noqa: N802 - the service's name for it
        self,
        request: pb.HealthRequest,  # noqa: ARG002 - empty
        context: object,  # noqa: ARG002 - of no use here
    ) -> pb.HealthResponse:
        return pb.HealthResponse(
            healthy=not self._draining,
            status=self.status(),
            contract_version=CONTRACT_VERSION,
            capabilities=CAPABILITIES,
        )

    async def HasConversation(  # noqa: N802 - the service's name for it
        self,
        request: pb.HasConversationRequest,
        context: "grpc.aio.ServicerContext[pb.HasConversationRequest, pb.HasConversationResponse]",
    ) -> pb.HasConversationResponse:
        if not request.session_id:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "session_id is empty")
        try:
            session = await self._store.load(request.session_id)
        except StoreUnavailable as error:
            return pb.HasConversationResponse(
                state=pb.RESUME_STATE_UNAVAILABLE, detail=error.message
            )
        state = pb.RESUME_STATE_RESUMABLE if session else pb.RESUME_STATE_NOT_FOUND
        return pb.HasConversationResponse(state=state)

    def status(self) -> str:
        """Say in words how the runtime is."""
        if self._draining:
            return "shutting down"
        if self._live.problem:
            return f"the last good configuration is served; reload failed: {self._live.problem}"
        return "ready"

    def drain(self) -> None:
        """Let each stream end after its running turn."""
        self._draining = True
        for stream in self._streams:
            stream.drain()

    async def ended(self, seconds: float) -> None:
        """Wait until the streams that were cut have stored what was said."""
        if self._handlers:
            await asyncio.wait(self._handlers, timeout=seconds)


def _text_metadata(context: "grpc.aio.ServicerContext[Any, Any]") -> dict[str, str]:
    """Return the metadata of a call; of what comes as bytes nothing is used."""
    pairs = context.invocation_metadata() or ()
    return {name: value for name, value in pairs if isinstance(value, str)}
