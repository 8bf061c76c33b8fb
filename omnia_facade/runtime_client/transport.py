"""The port between what is asked of a runtime and how the bytes get there."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from omnia_rpc.messages import MessageConsumer

Metadata: TypeAlias = Sequence[tuple[str, str]]


class RemoteStream(Protocol):
    """A call with any number of messages each way, as bytes."""

    @property
    def ended(self) -> bool:
        """Whether nothing can be sent any more."""

    async def write(self, message: bytes) -> bool:
        """Send, or return False when the call had ended; waits while the peer takes nothing."""

    async def read(self, take: MessageConsumer | None = None) -> bytes | None:
        """Return the next message that `take` leaves, or None when the peer has ended the call.

        Raises:
            RuntimeFailed: the call broke, or was cancelled.
        """

    def cancel(self) -> None:
        """End the call at once, a `read` that waits included."""


class Transport(Protocol):
    """A way to one runtime."""

    def stream(self, path: str, metadata: Metadata) -> RemoteStream:
        """Begin a call of `/package.Service/Method`."""

    async def unary(self, path: str, request: bytes, metadata: Metadata, seconds: float) -> bytes:
        """Make a call of one message each way.

        Raises:
            RuntimeFailed: there is no answer.
        """

    async def close(self) -> None:
        """End every call."""
