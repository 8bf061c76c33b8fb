"""Implements the gRPC service omnia.runtime.v1."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

import structlog

from omnia_core.errors import Code, OmniaError
from omnia_core.names import CONTRACT_VERSION, METADATA_SHOW_TOOLS
from omnia_core.sessions import SessionStore, StoreUnavailable
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_runtime.configuration.reload import LiveConfiguration
from omnia_runtime.server.described import compose_prompt, describe_agent
from omnia_runtime.server.mapping import INTERNAL_MESSAGE, capabilities, invocation_response
from omnia_runtime.server.own import OwnConversations
from omnia_runtime.server.past import MAX_TURNS, conversation_response
from omnia_runtime.server.port import MessageWriter, Metadata
from omnia_runtime.server.stream import TurnStream
from omnia_runtime.server.trails import TurnRecords
from omnia_runtime.turns.fork import ForkOutOfRange, TurnUnanswered, fork
from omnia_runtime.turns.invocation import Invocations
from omnia_runtime.turns.session_turns import SessionTurns, SessionUnknown
from omnia_runtime.turns.turn import Caller

# The longest pause between two streams of a facade that opens one stream per message.
_STREAM_GAP_SECONDS = 0.2

_log = structlog.get_logger()


class RuntimeService:
    """Maps the gRPC methods to turns and function calls."""

    def __init__(
        self,
        configuration: LiveConfiguration,
        store: SessionStore,
        turns: SessionTurns,
        invocations: Invocations,
        broken: Callable[[], Mapping[str, bool]],
    ) -> None:
        """`broken` returns whether the circuit breaker of each handler is open."""
        self._configuration = configuration
        self._store = store
        self._turns = turns
        self._invocations = invocations
        self._broken = broken
        self._own = OwnConversations(store, turns)
        self._streams: set[TurnStream] = set()
        self._handlers: set[asyncio.Task[object]] = set()
        self._draining = False

    async def converse(
        self, messages: AsyncIterator[pb.ClientMessage], writer: MessageWriter, metadata: Metadata
    ) -> None:
        stream = TurnStream(self._turns, writer, metadata, self._capabilities)
        handler = asyncio.current_task()
        if handler:
            self._handlers.add(handler)
            handler.add_done_callback(self._handlers.discard)
        self._streams.add(stream)
        if self._draining:
            stream.close_when_idle()
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
            result = await self._invocations.run(
                request.invocation_id, request.input_json, dict(request.metadata), metadata
            )
        except OmniaError as error:
            _log.warning("invocation failed", id=request.invocation_id, reason=error.message)
            raise
        except Exception as error:
            # The text of an unexpected error goes to the log only.
            _log.exception("invocation failed", id=request.invocation_id)
            raise OmniaError(Code.INTERNAL, INTERNAL_MESSAGE) from error
        return invocation_response(request.invocation_id, result)

    async def health(
        self,
        request: pb.HealthRequest,  # noqa: ARG002 - it has no fields
        metadata: Metadata,  # noqa: ARG002 - not needed
    ) -> pb.HealthResponse:
        return pb.HealthResponse(
            healthy=not self._draining,
            status=self.status(),
            contract_version=CONTRACT_VERSION,
            capabilities=self._capabilities,
        )

    @property
    def _capabilities(self) -> tuple[str, ...]:
        return capabilities(uploads=self._turns.accepts_uploads, lists=self._store.own.lists)

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
        name = session.name if session and found else ""
        return pb.HasConversationResponse(state=state, session_name=name)

    async def cancel_turn(
        self, request: pb.CancelTurnRequest, metadata: Metadata
    ) -> pb.CancelTurnResponse:
        if not request.session_id:
            raise OmniaError(Code.INVALID_ARGUMENT, "session_id is empty")
        try:
            cancelled = await self._turns.cancel(request.session_id, Caller(metadata))
        except SessionUnknown as error:
            state, detail = pb.CANCEL_STATE_NOT_FOUND, error.message
        except StoreUnavailable as error:
            state, detail = pb.CANCEL_STATE_UNAVAILABLE, error.message
        else:
            state = pb.CANCEL_STATE_ACCEPTED if cancelled else pb.CANCEL_STATE_NOT_RUNNING
            detail = "" if cancelled else "no turn of the session is running"
        return pb.CancelTurnResponse(state=state, detail=detail)

    async def read_conversation(
        self, request: pb.ReadConversationRequest, metadata: Metadata
    ) -> pb.ReadConversationResponse:
        if not request.session_id:
            raise OmniaError(Code.INVALID_ARGUMENT, "session_id is empty")
        caller = Caller(metadata)
        try:
            session = await self._store.load(request.session_id)
            if session is None or not session.open_to(caller.user_id):
                return pb.ReadConversationResponse(state=pb.RESUME_STATE_NOT_FOUND)
            recorded = TurnRecords(
                await self._store.trail(request.session_id, request.last_turns or MAX_TURNS),
                await self._store.eval_results(request.session_id),
            )
        except StoreUnavailable as error:
            return pb.ReadConversationResponse(
                state=pb.RESUME_STATE_UNAVAILABLE, detail=error.message
            )
        return conversation_response(
            session,
            request.last_turns,
            show_tools=metadata.get(METADATA_SHOW_TOOLS) == "true",
            recorded=recorded,
        )

    async def describe_agent(
        self,
        request: pb.DescribeAgentRequest,  # noqa: ARG002 - it has no fields
        metadata: Metadata,  # noqa: ARG002 - not needed
    ) -> pb.DescribeAgentResponse:
        return describe_agent(self._configuration.current, self._broken())

    async def compose_prompt(
        self,
        request: pb.ComposePromptRequest,
        metadata: Metadata,  # noqa: ARG002 - not needed
    ) -> pb.ComposePromptResponse:
        return compose_prompt(self._configuration.current.versions, request)

    async def list_conversations(
        self, request: pb.ListConversationsRequest, metadata: Metadata
    ) -> pb.ListConversationsResponse:
        return await self._own.list(request, metadata)

    async def name_conversation(
        self, request: pb.NameConversationRequest, metadata: Metadata
    ) -> pb.NameConversationResponse:
        return await self._own.name(request, metadata)

    async def delete_conversation(
        self, request: pb.DeleteConversationRequest, metadata: Metadata
    ) -> pb.DeleteConversationResponse:
        return await self._own.delete(request, metadata)

    async def fork_conversation(
        self, request: pb.ForkConversationRequest, metadata: Metadata
    ) -> pb.ForkConversationResponse:
        for field in ("session_id", "new_session_id"):
            if not getattr(request, field):
                raise OmniaError(Code.INVALID_ARGUMENT, f"{field} is empty")
        ids = request.session_id, request.new_session_id
        try:
            await fork(self._store, *ids, request.after_turn, Caller(metadata))
        except SessionUnknown as error:
            state, detail = pb.FORK_STATE_NOT_FOUND, error.message
        except TurnUnanswered as error:
            state, detail = pb.FORK_STATE_TURN_RUNNING, error.message
        except ForkOutOfRange as error:
            state, detail = pb.FORK_STATE_OUT_OF_RANGE, error.message
        except StoreUnavailable as error:
            state, detail = pb.FORK_STATE_UNAVAILABLE, error.message
        else:
            state, detail = pb.FORK_STATE_CREATED, ""
        return pb.ForkConversationResponse(state=state, detail=detail)

    @property
    def streams(self) -> int:
        """The number of open streams."""
        return len(self._streams)

    def status(self) -> str:
        """Return the status of the runtime for people."""
        if self._draining:
            return "shutting down"
        if problem := self._configuration.problem:
            return f"the last good configuration is served; reload failed: {problem}"
        return "ready"

    def drain(self) -> None:
        """Close each stream after the messages that its facade has accepted are answered."""
        self._draining = True
        for stream in self._streams:
            stream.close_when_idle()

    async def wait_until_idle(self, seconds: float) -> None:
        """Wait at most `seconds` until all streams have ended and no new one follows."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._handlers:
                    await asyncio.wait(self._handlers)
                    await asyncio.sleep(_STREAM_GAP_SECONDS)

    async def wait_until_ended(self, seconds: float) -> None:
        """Wait at most `seconds` until cancelled streams have stored their answers."""
        if self._handlers:
            await asyncio.wait(self._handlers, timeout=seconds)
