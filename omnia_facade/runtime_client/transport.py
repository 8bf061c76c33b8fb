"""The port of a transport to the runtime: gRPC calls with messages as bytes."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

CallMetadata: TypeAlias = Sequence[tuple[str, str]]
ReceiveMessage: TypeAlias = Callable[[bytes], bool]
"""Receives a message the moment it arrives. False: the message is not accepted, and `read` returns
it. It must not raise."""


class RemoteStream(Protocol):
    """A call with any number of messages in both directions."""

    @property
    def ended(self) -> bool:
        """Whether no more messages can be sent."""

    async def write(self, message: bytes) -> bool:
        """Send a message; waits while the peer accepts none. False: the call had ended."""

    async def read(self, receive: ReceiveMessage) -> bytes | None:
        """Pass messages to `receive`, and return the first that it does not accept.

        Messages that it accepts do not wake the reading task. None: the peer has ended the call.

        Raises:
            RuntimeFailed: the call broke off, or was cancelled.
        """

    def cancel(self) -> None:
        """End the call at once, including a `read` that waits."""


class RuntimeTransport(Protocol):
    """A channel to one runtime."""

    def stream(self, path: str, metadata: CallMetadata) -> RemoteStream:
        """Begin a call of `/package.Service/Method`, which waits while the runtime starts."""

    async def unary(
        self,
        path: str,
        request: bytes,
        metadata: CallMetadata,
        seconds: float,
        *,
        wait_for_ready: bool,
    ) -> bytes:
        """Make a call with one message in each direction, and a deadline in seconds.

        With `wait_for_ready` it waits while the runtime starts, else it fails soon.

        Raises:
            RuntimeFailed: the call failed.
        """

    async def close(self) -> None:
        """End every call."""
