"""The ports between the gRPC service and the two servers that can carry it."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb

PREFIX = "/omnia.runtime.v1.RuntimeService/"
SERVICE = "omnia.runtime.v1.RuntimeService"

Metadata = Mapping[str, str]


class MessageWriter(Protocol):
    """The sending half of a stream."""

    def send_text(self, text: str) -> bool:
        """Send a chunk, as `TurnListener.send_text`. False: call `drain` before the next one."""

    async def drain(self) -> None:
        """Wait until the peer accepts more text."""

    async def write(self, message: pb.ServerMessage) -> None:
        """Send a message; returns when the peer accepts more."""


class RuntimeServicer(Protocol):
    """The methods of omnia.runtime.v1. A failed call raises `OmniaError` with a public message.

    Metadata contains text values only; binary metadata is not used.
    """

    async def converse(
        self, messages: AsyncIterator[pb.ClientMessage], writer: MessageWriter, metadata: Metadata
    ) -> None:
        """Run the turns of a stream until there are no more messages."""

    async def invoke(
        self, request: pb.InvocationRequest, metadata: Metadata
    ) -> pb.InvocationResponse:
        """Run one function call."""

    async def health(self, request: pb.HealthRequest, metadata: Metadata) -> pb.HealthResponse:
        """Return the health and the capabilities of the runtime."""

    async def has_conversation(
        self, request: pb.HasConversationRequest, metadata: Metadata
    ) -> pb.HasConversationResponse:
        """Return whether the caller can continue a session."""

    async def cancel_turn(
        self, request: pb.CancelTurnRequest, metadata: Metadata
    ) -> pb.CancelTurnResponse:
        """Cancel the running turn of a session of the caller, in whichever pod it runs."""

    async def read_conversation(
        self, request: pb.ReadConversationRequest, metadata: Metadata
    ) -> pb.ReadConversationResponse:
        """Return the last turns of a session of the caller."""

    async def list_conversations(
        self, request: pb.ListConversationsRequest, metadata: Metadata
    ) -> pb.ListConversationsResponse:
        """Return sessions of the caller that have not ended."""

    async def name_conversation(
        self, request: pb.NameConversationRequest, metadata: Metadata
    ) -> pb.NameConversationResponse:
        """Give a session of the caller the name that the caller chose."""

    async def delete_conversation(
        self, request: pb.DeleteConversationRequest, metadata: Metadata
    ) -> pb.DeleteConversationResponse:
        """End a session of the caller."""

    async def describe_agent(
        self, request: pb.DescribeAgentRequest, metadata: Metadata
    ) -> pb.DescribeAgentResponse:
        """Return the configuration of the agent."""

    async def compose_prompt(
        self, request: pb.ComposePromptRequest, metadata: Metadata
    ) -> pb.ComposePromptResponse:
        """Return the system prompt of a version with values."""

    async def fork_conversation(
        self, request: pb.ForkConversationRequest, metadata: Metadata
    ) -> pb.ForkConversationResponse:
        """Begin a session with the first turns of a session of the caller."""


class RuntimeServer(Protocol):
    """Serves a `RuntimeServicer` and grpc.health.v1."""

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is not available.
        """

    async def leave(self) -> None:
        """Report NOT_SERVING through grpc.health.v1."""

    async def stop(self, grace: float) -> None:
        """Accept no more calls, and cancel those still running after `grace` seconds."""
