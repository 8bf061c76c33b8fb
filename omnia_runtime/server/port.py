"""The port between the service and the transport that carries it."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb

PREFIX = "/omnia.runtime.v1.RuntimeService/"
SERVICE = "omnia.runtime.v1.RuntimeService"

Metadata = Mapping[str, str]


class Peer(Protocol):
    """The sending half of a stream."""

    def say(self, text: str) -> bool:
        """Send a chunk without waiting; False: `room` is to be waited for before the next."""

    async def room(self) -> None:
        """Wait while the peer takes nothing."""

    async def write(self, message: pb.ServerMessage) -> None:
        """Send a message; waits while the peer takes none."""


class Service(Protocol):
    """omnia.runtime.v1. A call that fails raises an `OmniaError`, whose message is for the caller.

    Metadata is text: of what comes as bytes nothing is used.
    """

    async def converse(
        self, messages: AsyncIterator[pb.ClientMessage], peer: Peer, metadata: Metadata
    ) -> None:
        """Carry one session, turn after turn, until there are no more messages."""

    async def invoke(
        self, request: pb.InvocationRequest, metadata: Metadata
    ) -> pb.InvocationResponse:
        """Answer one call of a function."""

    async def health(self, request: pb.HealthRequest, metadata: Metadata) -> pb.HealthResponse:
        """Say how the runtime is."""

    async def has_conversation(
        self, request: pb.HasConversationRequest, metadata: Metadata
    ) -> pb.HasConversationResponse:
        """Say whether the caller can continue a session."""


class Transport(Protocol):
    """Serves gRPC: the service, and grpc.health.v1."""

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port cannot be had.
        """

    async def leave(self) -> None:
        """Tell those who ask grpc.health.v1 that it serves no more."""

    async def stop(self, grace: float) -> None:
        """Take no more calls, and cut those that have not ended within `grace` seconds."""
