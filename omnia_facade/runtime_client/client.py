"""The runtime's client: requests and events as messages of omnia.runtime.v1."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from omnia_core import names
from omnia_core.conversation.chunk import chunk_text
from omnia_core.telemetry.tracing import trace_headers
from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.inside import AgentInside, ComposedPrompt
from omnia_facade.backend.own_sessions import Change, OwnSessionsPage
from omnia_facade.backend.port import Cancellation, Forked, Probed, Reading
from omnia_facade.runtime_client import mapping
from omnia_facade.runtime_client.inside import to_composed, to_inside
from omnia_facade.runtime_client.port import (
    IncomingEvent,
    Invocation,
    OutgoingMessage,
    RuntimeHealth,
    TextReceiver,
)
from omnia_facade.runtime_client.transport import CallMetadata, RemoteStream, RuntimeTransport

HEALTH_SECONDS = 2.0
PROBE_SECONDS = 5.0

_SERVICE = "/omnia.runtime.v1.RuntimeService/"


class RemoteRuntime:
    """A runtime behind a transport."""

    def __init__(
        self,
        transport: RuntimeTransport,
        *,
        agent: str,
        namespace: str,
        show_tools: bool,
        variant: str = names.Variant.STABLE,
    ) -> None:
        self._transport = transport
        self._variant = variant
        self._metadata: CallMetadata = (
            (names.METADATA_AGENT_NAME, agent),
            (names.METADATA_NAMESPACE, namespace),
        )
        self._show: CallMetadata = ((names.METADATA_SHOW_TOOLS, "true"),) if show_tools else ()

    def variant_of(self, session_id: str, caller: Principal) -> str:  # noqa: ARG002 - one side
        return self._variant

    def converse(self, session_id: str, caller: Principal) -> "RuntimeStream":
        metadata = (
            *self._metadata,
            *self._show,
            (names.METADATA_SESSION_ID, session_id),
            *caller_metadata(caller),
            *trace_headers().items(),
        )
        stream = self._transport.stream(_SERVICE + "Converse", metadata)
        return RuntimeStream(stream, session_id, self._variant)

    async def has_conversation(self, session_id: str, caller: Principal) -> Probed:
        request = pb.HasConversationRequest(session_id=session_id)
        metadata = self._of_session(session_id, caller)
        answer = await self._ask("HasConversation", request, metadata, PROBE_SECONDS)
        return mapping.to_probed(pb.HasConversationResponse.FromString(answer))

    async def cancel_turn(self, session_id: str, caller: Principal) -> Cancellation:
        request = pb.CancelTurnRequest(session_id=session_id)
        metadata = self._of_session(session_id, caller)
        answer = await self._ask("CancelTurn", request, metadata, PROBE_SECONDS)
        return mapping.to_cancellation(pb.CancelTurnResponse.FromString(answer))

    async def read_conversation(
        self, session_id: str, caller: Principal, last_turns: int
    ) -> Reading:
        request = pb.ReadConversationRequest(session_id=session_id, last_turns=last_turns)
        metadata = (*self._of_session(session_id, caller), *self._show)
        answer = await self._ask("ReadConversation", request, metadata, PROBE_SECONDS)
        return mapping.to_reading(pb.ReadConversationResponse.FromString(answer))

    async def list_conversations(
        self, caller: Principal, limit: int, cursor: str
    ) -> OwnSessionsPage:
        request = pb.ListConversationsRequest(limit=limit, cursor=cursor)
        metadata = (*self._metadata, *caller_metadata(caller))
        answer = await self._ask("ListConversations", request, metadata, PROBE_SECONDS)
        return mapping.to_own_sessions(pb.ListConversationsResponse.FromString(answer))

    async def name_conversation(self, session_id: str, caller: Principal, name: str) -> Change:
        request = pb.NameConversationRequest(session_id=session_id, name=name)
        metadata = self._of_session(session_id, caller)
        answer = await self._ask("NameConversation", request, metadata, PROBE_SECONDS)
        return mapping.to_change(pb.NameConversationResponse.FromString(answer).state)

    async def delete_conversation(self, session_id: str, caller: Principal) -> Change:
        request = pb.DeleteConversationRequest(session_id=session_id)
        metadata = self._of_session(session_id, caller)
        answer = await self._ask("DeleteConversation", request, metadata, PROBE_SECONDS)
        return mapping.to_change(pb.DeleteConversationResponse.FromString(answer).state)

    async def describe_agent(self) -> AgentInside:
        answer = await self._ask(
            "DescribeAgent",
            pb.DescribeAgentRequest(),
            self._metadata,
            HEALTH_SECONDS,
            wait_for_ready=False,
        )
        return to_inside(pb.DescribeAgentResponse.FromString(answer))

    async def compose_prompt(self, variables: Mapping[str, str], version: str) -> ComposedPrompt:
        request = pb.ComposePromptRequest(variables=variables, version=version)
        answer = await self._ask("ComposePrompt", request, self._metadata, PROBE_SECONDS)
        return to_composed(pb.ComposePromptResponse.FromString(answer))

    async def fork_conversation(
        self, session_id: str, new_id: str, after_turn: int, caller: Principal
    ) -> Forked:
        request = pb.ForkConversationRequest(
            session_id=session_id, new_session_id=new_id, after_turn=after_turn
        )
        metadata = self._of_session(session_id, caller)
        answer = await self._ask("ForkConversation", request, metadata, PROBE_SECONDS)
        return mapping.to_forked(new_id, pb.ForkConversationResponse.FromString(answer))

    async def invoke(
        self, input_json: str, invocation_id: str, caller: Principal, *, seconds: float
    ) -> Invocation:
        request = pb.InvocationRequest(input_json=input_json, invocation_id=invocation_id)
        metadata = (
            *self._metadata,
            (names.METADATA_REQUEST_ID, invocation_id),
            *caller_metadata(caller),
            *trace_headers().items(),
        )
        answer = await self._ask("Invoke", request, metadata, seconds)
        return mapping.to_invocation(pb.InvocationResponse.FromString(answer))

    async def health(self) -> RuntimeHealth:
        answer = await self._ask(
            "Health", pb.HealthRequest(), self._metadata, HEALTH_SECONDS, wait_for_ready=False
        )
        response = pb.HealthResponse.FromString(answer)
        return RuntimeHealth(response.healthy, response.status, frozenset(response.capabilities))

    async def close(self) -> None:
        await self._transport.close()

    def _of_session(self, session_id: str, caller: Principal) -> CallMetadata:
        session = (names.METADATA_SESSION_ID, session_id)
        return (*self._metadata, session, *caller_metadata(caller))

    async def _ask(
        self,
        method: str,
        request: pb.HasConversationRequest
        | pb.CancelTurnRequest
        | pb.ReadConversationRequest
        | pb.ListConversationsRequest
        | pb.NameConversationRequest
        | pb.DeleteConversationRequest
        | pb.DescribeAgentRequest
        | pb.ComposePromptRequest
        | pb.ForkConversationRequest
        | pb.InvocationRequest
        | pb.HealthRequest,
        metadata: CallMetadata,
        seconds: float,
        *,
        wait_for_ready: bool = True,
    ) -> bytes:
        data = request.SerializeToString()
        return await self._transport.unary(
            _SERVICE + method, data, metadata, seconds, wait_for_ready=wait_for_ready
        )


class RuntimeStream:
    """One Converse call."""

    __slots__ = ("_session_id", "_stream", "variant")

    def __init__(
        self, stream: RemoteStream, session_id: str, variant: str = names.Variant.STABLE
    ) -> None:
        self._stream = stream
        self.variant = variant
        self._session_id = session_id

    @property
    def ended(self) -> bool:
        return self._stream.ended

    async def send(self, message: OutgoingMessage) -> bool:
        data = mapping.to_client_message(self._session_id, message).SerializeToString()
        return await self._stream.write(data)

    async def read(self, receiver: TextReceiver) -> IncomingEvent | None:
        send_text = receiver.send_text
        ready = True

        def relay(data: bytes) -> bool:
            """Relay a message with text while the receiver is ready."""
            nonlocal ready
            if not ready or (text := chunk_text(data)) is None:
                return False
            ready = send_text(text)
            return True

        while (data := await self._stream.read(relay)) is not None:
            if not ready:
                await receiver.drain()
                ready = True
            event = _decode(data)
            if isinstance(event, str):
                ready = send_text(event)
            elif event is not None:
                return event
        return None

    def cancel(self) -> None:
        self._stream.cancel()


def _decode(data: bytes) -> IncomingEvent | str | None:
    """Return an event, a piece of text or, for an unknown message, None."""
    text = chunk_text(data)
    return mapping.to_event(pb.ServerMessage.FromString(data)) if text is None else text


# gRPC rejects calls with more than 16 KiB of metadata.
MAX_CLAIMS = 32
MAX_VALUE = 1024
MAX_TOTAL = 6 * 1024
_MAX_NAME = 64
_ROLE = "role"
# gRPC treats values of such names as bytes.
_BINARY = re.compile(r"-bin$")
_UNSAFE = re.compile(r"[^a-z0-9_.-]+")


def caller_metadata(principal: Principal) -> tuple[tuple[str, str], ...]:
    """Return the metadata about a principal: user id, origin, address, claims.

    Values that are not ASCII are percent-encoded. Claims that are too long, or exceed the limits
    of all claims together, are omitted; they are not truncated, which could change their meaning.
    """
    return (
        *_named(names.METADATA_USER_ID, principal.user_id),
        *_named(names.METADATA_ORIGIN, principal.origin),
        *_named(names.METADATA_USER_EMAIL, principal.email),
        *_claims(principal),
    )


def _named(name: str, value: str) -> Iterator[tuple[str, str]]:
    text = _ascii(value)
    if 0 < len(text) <= MAX_VALUE:
        yield name, text


def _claims(principal: Principal) -> Iterator[tuple[str, str]]:
    room = MAX_TOTAL
    seen: set[str] = set()
    role = ((_ROLE, principal.role),) if principal.role else ()
    for claim, value in (*role, *principal.claims):
        name = _UNSAFE.sub("-", claim.lower()).strip("-")[:_MAX_NAME]
        name = _BINARY.sub("_bin", name)
        for key, text in _named(f"{names.METADATA_CLAIM}{name}", value):
            room -= len(key) + len(text)
            if name and name not in seen and len(seen) < MAX_CLAIMS and room >= 0:
                seen.add(name)
                yield key, text


def _ascii(value: str) -> str:
    return quote(value, safe="@:/|+=,", errors="replace")
