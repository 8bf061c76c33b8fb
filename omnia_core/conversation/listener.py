"""The receiver of a turn's output, in the facade and in the runtime."""

from typing import Protocol, TypeVar

Event_contra = TypeVar("Event_contra", contravariant=True)


class TurnListener(Protocol[Event_contra]):
    """Receives the answer of a turn while the turn runs.

    The text of an answer comes in many pieces, so sending one is a plain call. Everything else is
    an event, and waits for the receiver.
    """

    def send_text(self, text: str) -> bool:
        """Send a piece of the answer. False: it was accepted; call `drain` before the next."""

    async def drain(self) -> None:
        """Wait until the receiver accepts more text."""

    async def send_event(self, event: Event_contra) -> None:
        """Send an event; returns when the receiver accepts more."""
