"""The port of the runtime's client."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from msgspec import Struct

from omnia_core.conversation.usage import Usage
from omnia_core.errors import Code, OmniaError
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.events import (
    AudioInput,
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    RuntimeHello,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.backend.inside import AgentInside, ComposedPrompt
from omnia_facade.backend.own_sessions import Change, OwnSessionsPage
from omnia_facade.backend.port import Cancellation, Forked, Probed, Reading


class RuntimeFailed(OmniaError):
    """A call failed. The message is for the log: it may name internals of the runtime."""

    @property
    def unreachable(self) -> bool:
        """Whether the runtime was not reachable, or went away."""
        return self.code is Code.UNAVAILABLE


class CancelRequest(Struct, frozen=True):
    """Asks the runtime to end the running turn of a stream."""


class RuntimeHealth(Struct, frozen=True):
    """The health that the runtime reports, and what it can do."""

    healthy: bool
    status: str
    capabilities: frozenset[str] = frozenset()


class Invocation(Struct, frozen=True):
    """The outcome of a function call."""

    output_json: str
    usage: Usage | None


OutgoingMessage: TypeAlias = (
    TurnRequest | CallRequest | AudioInput | ClientToolResult | CancelRequest
)
IncomingEvent: TypeAlias = TurnEvent | RuntimeHello | Done | Failed


class TextReceiver(Protocol):
    """Receives the text of answers; a part of `TurnListener`."""

    def send_text(self, text: str) -> bool:
        """Send a piece of text. False: it was accepted; call `drain` before the next."""

    async def drain(self) -> None:
        """Wait until more text is accepted."""


class ConverseStream(Protocol):
    """The stream of one session."""

    @property
    def ended(self) -> bool:
        """Whether no more messages can be sent."""

    @property
    def variant(self) -> str:
        """The side of a rollout that serves the stream."""

    async def send(self, message: OutgoingMessage) -> bool:
        """Send a message; waits while the runtime accepts none.

        False: the stream had ended, and the runtime has not received the message.
        """

    async def read(self, receiver: TextReceiver) -> IncomingEvent | None:
        """Return the next event, or None when the runtime has ended the stream properly.

        Text before the event goes to `receiver` the moment it arrives, without waking the task.

        Raises:
            RuntimeFailed: the stream broke off, or was cancelled.
        """

    def cancel(self) -> None:
        """End the stream at once, including a `read` that waits."""


class RuntimeClient(Protocol):
    """A runtime. All methods raise `RuntimeFailed`."""

    def variant_of(self, session_id: str, caller: Principal) -> str:
        """Return the side of a rollout on which a session, or the id of a call, is placed."""

    def converse(self, session_id: str, caller: Principal) -> ConverseStream:
        """Begin a stream; the first `read` fails if the runtime is not reachable."""

    async def has_conversation(self, session_id: str, caller: Principal) -> Probed:
        """Return whether this caller can continue a session."""

    async def cancel_turn(self, session_id: str, caller: Principal) -> Cancellation:
        """Cancel the running turn of a session of this caller, in whichever pod it runs."""

    async def read_conversation(
        self, session_id: str, caller: Principal, last_turns: int
    ) -> Reading:
        """Return the last turns of a session of this caller; 0 turns: as many as fit."""

    async def list_conversations(
        self, caller: Principal, limit: int, cursor: str
    ) -> OwnSessionsPage:
        """Return sessions of this caller that have not ended; 0: as many as fit."""

    async def name_conversation(self, session_id: str, caller: Principal, name: str) -> Change:
        """Give a session of this caller the name that the caller chose."""

    async def delete_conversation(self, session_id: str, caller: Principal) -> Change:
        """End a session of this caller before its time."""

    async def describe_agent(self) -> AgentInside:
        """Return the configuration of the agent."""

    async def compose_prompt(self, variables: Mapping[str, str], version: str) -> ComposedPrompt:
        """Return the system prompt of a version with values; "" for the stable one."""

    async def fork_conversation(
        self, session_id: str, new_id: str, after_turn: int, caller: Principal
    ) -> Forked:
        """Begin the session `new_id` with the first turns of a session of this caller."""

    async def invoke(
        self, input_json: str, invocation_id: str, caller: Principal, *, seconds: float
    ) -> Invocation:
        """Call the function, with a deadline in seconds."""

    async def health(self) -> RuntimeHealth:
        """Return the runtime's health."""

    async def close(self) -> None:
        """Close the connection."""
