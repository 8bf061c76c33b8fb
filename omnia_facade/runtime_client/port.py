"""What the facade asks of a runtime."""

from typing import Protocol, TypeAlias

from msgspec import Struct

from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, OmniaError
from omnia_facade.auth.principal import Principal
from omnia_facade.dialogue.events import (
    Audio,
    CallRequest,
    Hello,
    ToolAnswer,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.dialogue.handler import Resume, Say


class RuntimeFailed(OmniaError):
    """A call did not succeed. The message is for the log: it may name the runtime's internals."""

    @property
    def unreachable(self) -> bool:
        """Whether the runtime was not there, or went away."""
        return self.code is Code.UNAVAILABLE


class CancelRequest(Struct, frozen=True):
    """Ends the running turn of a stream early."""


class RuntimeHealth(Struct, frozen=True):
    """What the runtime says about itself."""

    healthy: bool
    status: str


class Invocation(Struct, frozen=True):
    """The outcome of one function call."""

    output_json: str
    usage: Usage | None


Outgoing: TypeAlias = TurnRequest | CallRequest | Audio | ToolAnswer | CancelRequest


class ConverseStream(Protocol):
    """One session's stream."""

    @property
    def ended(self) -> bool:
        """Whether nothing can be sent any more."""

    async def send(self, message: Outgoing) -> bool:
        """Send, or return False when the stream had ended: the runtime has not seen the message.

        A runtime that does not take what it is sent makes this wait.
        """

    async def read(self, say: Say | None = None) -> TurnEvent | Hello | None:
        """Return the next event, or None when the runtime has ended the stream properly.

        Pieces of text that `say` takes, each the moment it comes, are no events.

        Raises:
            RuntimeFailed: the stream broke, or was cancelled.
        """

    def cancel(self) -> None:
        """End the stream at once, a `read` that waits included."""


class RuntimeClient(Protocol):
    """A runtime. All methods raise `RuntimeFailed`."""

    def converse(self, session_id: str, caller: Principal) -> ConverseStream:
        """Begin a stream; a runtime that is not there shows at the first `read`."""

    async def has_conversation(self, session_id: str, caller: Principal) -> Resume:
        """Say whether a session can be continued by this caller."""

    async def invoke(
        self, input_json: str, invocation_id: str, caller: Principal, *, seconds: float
    ) -> Invocation:
        """Call the function, for so long at most."""

    async def health(self) -> RuntimeHealth:
        """Ask how the runtime is."""

    async def close(self) -> None:
        """Let go of the connection."""
