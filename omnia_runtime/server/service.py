"""The service omnia.runtime.v1."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from omnia_core.errors import Code, OmniaError
from omnia_core.names import CONTRACT_VERSION
from omnia_core.sessions import SessionStore, StoreUnavailable
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.configuration.reload import Live
from omnia_runtime.server.mapping import INTERNAL_MESSAGE, capabilities, invocation_response
from omnia_runtime.server.port import Metadata, Peer
from omnia_runtime.server.stream import ConversationStream
from omnia_runtime.turns.invocation import Invocations
from omnia_runtime.turns.session_turns import Conversations
from omnia_runtime.turns.turn import Caller

# Between two streams of a facade that opens one for each message.
_GAP_SECONDS = 0.2

_log = structlog.get_logger()


class RuntimeService:
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

    async def converse(
        self, messages: AsyncIterator[pb.ClientMessage], peer: Peer, metadata: Metadata
    ) -> None:
        stream = ConversationStream(self._conversations, peer, metadata)
        handler = asyncio.current_task()
        if handler:
            self._handlers.add(handler)
            handler.add_done_callback(self._handlers.discard)
        self._streams.add(stream)
        if self._draining:
            stream.drain()
        try:
            await stream.serve(messages)
        finally:
            self._streams.discard(stream)

    async def invoke(
        self, request: pb.InvocationRequest, metadata: Metadata
    ) -> pb.InvocationResponse:
        for field in ("invocation_id", "input_json"):
            if not getattr(request, field):
                raise OmniaError(Code.INVALID_ARGUMENT, f"{field} is empty")
        try:
            invoked = await self._invocations.run(
                request.invocation_id, request.input_json, dict(request.metadata), metadata
            )
        except OmniaError as error:
            _log.warning("invocation failed", id=request.invocation_id, reason=error.message)
            raise
        except Exception as error:
            # whatever it is, its text stays in the log
            _log.exception("invocation failed", id=request.invocation_id)
            raise OmniaError(Code.INTERNAL, INTERNAL_MESSAGE) from error
        return invocation_response(request.invocation_id, invoked)

    async def health(
        self,
        request: pb.HealthRequest,  # noqa: ARG002 - empty
        metadata: Metadata,  # noqa: ARG002 - of no use here
    ) -> pb.HealthResponse:
        return pb.HealthResponse(
            healthy=not self._draining,
            status=self.status(),
            contract_version=CONTRACT_VERSION,
            capabilities=capabilities(uploads=self._conversations.takes_uploads),
        )

    async def has_conversation(
        self, request: pb.HasConversationRequest, metadata: Metadata
    ) -> pb.HasConversationResponse:
        if not request.session_id:
            raise OmniaError(Code.INVALID_ARGUMENT, "session_id is empty")
        try:
            session = await self._store.load(request.session_id)
        except StoreUnavailable as error:
            return pb.HasConversationResponse(
                state=pb.RESUME_STATE_UNAVAILABLE, detail=error.message
            )
        caller = Caller(metadata)
        found = session is not None and session.open_to(caller.user_id)
        state = pb.RESUME_STATE_RESUMABLE if found else pb.RESUME_STATE_NOT_FOUND
        return pb.HasConversationResponse(state=state)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def status(self) -> str:
        """Say in words how the runtime is."""
        if self._draining:
            return "shutting down"
        if self._live.problem:
            return f"the last good configuration is served; reload failed: {self._live.problem}"
        return "ready"

    def drain(self) -> None:
        """Let each stream end when what its facade has accepted is answered."""
        self._draining = True
        for stream in self._streams:
            stream.drain()

    async def quiet(self, seconds: float) -> None:
        """Wait, so long at most, until there is no stream, and no other follows the last one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._handlers:
                    await asyncio.wait(self._handlers)
                    await asyncio.sleep(_GAP_SECONDS)

    async def ended(self, seconds: float) -> None:
        """Wait until the streams that were cut have stored what was said."""
        if self._handlers:
            await asyncio.wait(self._handlers, timeout=seconds)
