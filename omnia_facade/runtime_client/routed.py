"""The client of a rollout: each session is answered by the runtime of its side.

The facades of stable route to the candidate. Where a mesh or a Gateway splits the traffic, and
sessions are sticky, those of the candidate route to stable too.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog
from msgspec import Struct

from omnia_core.names import Variant
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.inside import AgentInside, ComposedPrompt
from omnia_facade.backend.own_sessions import Change, OwnSessionsPage
from omnia_facade.backend.port import Cancellation, Forked, Probed, Reading
from omnia_facade.rollout.files import RolloutFiles
from omnia_facade.runtime_client.port import (
    ConverseStream,
    IncomingEvent,
    Invocation,
    OutgoingMessage,
    RuntimeClient,
    RuntimeFailed,
    RuntimeHealth,
    TextReceiver,
)

UNREACHABLE = "unreachable"
NO_ADDRESS = "no_address"
STEP_IN_REASONS = (UNREACHABLE, NO_ADDRESS)

T = TypeVar("T")
_log = structlog.get_logger()


class SessionPlacement(Struct, frozen=True):
    """A session that the other side answers: one of the pods behind `address`, `host:port`."""

    session_id: str
    address: str


Reach = Callable[[SessionPlacement], Awaitable[RuntimeClient | None]]
"""Returns the client of the other side's pod of a session; None: it has no pod."""


class RolloutSides(Struct, frozen=True):
    """The runtime of this pod, its side, and the other one."""

    runtime: RuntimeClient
    own: Variant
    other: Variant


class RoutedRuntime:
    """Routes each session to its side. This pod steps in for a side that is unreachable."""

    def __init__(
        self,
        sides: RolloutSides,
        files: RolloutFiles,
        reach: Reach,
        close: Callable[[], Awaitable[None]],
        stepped_in: Callable[[str], None],
    ) -> None:
        """Route between two runtimes.

        Args:
            sides: the runtime of this pod, and which side it is.
            files: decide about a session, or about the id of a call.
            reach: finds the other side's pod of a session.
            close: closes the clients that `reach` has returned.
            stepped_in: called with the reason, one of `STEP_IN_REASONS`, when this pod steps in.
        """
        self._sides = sides
        self._own = sides.runtime
        self._files = files
        self._reach = reach
        self._close = close
        self._stepped_in = stepped_in

    def variant_of(self, session_id: str, caller: Principal) -> str:
        placed = self._place(session_id, caller)
        return self._sides.own if placed is None else self._sides.other

    def converse(self, session_id: str, caller: Principal) -> ConverseStream:
        placed = self._place(session_id, caller)
        if placed is None:
            return self._own.converse(session_id, caller)
        return _PeerStream(self, placed, caller)

    async def has_conversation(self, session_id: str, caller: Principal) -> Probed:
        return await self._ask(
            session_id, caller, lambda runtime: runtime.has_conversation(session_id, caller)
        )

    async def cancel_turn(self, session_id: str, caller: Principal) -> Cancellation:
        return await self._ask(
            session_id, caller, lambda runtime: runtime.cancel_turn(session_id, caller)
        )

    async def read_conversation(
        self, session_id: str, caller: Principal, last_turns: int
    ) -> Reading:
        return await self._ask(
            session_id,
            caller,
            lambda runtime: runtime.read_conversation(session_id, caller, last_turns),
        )

    async def list_conversations(
        self, caller: Principal, limit: int, cursor: str
    ) -> OwnSessionsPage:
        # Both sides have the same session store.
        return await self._own.list_conversations(caller, limit, cursor)

    async def name_conversation(self, session_id: str, caller: Principal, name: str) -> Change:
        return await self._ask(
            session_id,
            caller,
            lambda runtime: runtime.name_conversation(session_id, caller, name),
        )

    async def delete_conversation(self, session_id: str, caller: Principal) -> Change:
        return await self._ask(
            session_id, caller, lambda runtime: runtime.delete_conversation(session_id, caller)
        )

    async def describe_agent(self) -> AgentInside:
        return await self._own.describe_agent()

    async def compose_prompt(self, variables: Mapping[str, str], version: str) -> ComposedPrompt:
        return await self._own.compose_prompt(variables, version)

    async def fork_conversation(
        self, session_id: str, new_id: str, after_turn: int, caller: Principal
    ) -> Forked:
        return await self._ask(
            session_id,
            caller,
            lambda runtime: runtime.fork_conversation(session_id, new_id, after_turn, caller),
        )

    async def invoke(
        self, input_json: str, invocation_id: str, caller: Principal, *, seconds: float
    ) -> Invocation:
        placed = self._place(invocation_id, caller)
        runtime = None if placed is None else await self.peer(placed)
        # A call that has reached the other side may have had effects: it is not made twice.
        if runtime is not None and await self._answers(runtime):
            return await runtime.invoke(input_json, invocation_id, caller, seconds=seconds)
        return await self._own.invoke(input_json, invocation_id, caller, seconds=seconds)

    async def health(self) -> RuntimeHealth:
        return await self._own.health()

    async def close(self) -> None:
        await self._close()
        await self._own.close()

    @property
    def other(self) -> Variant:
        """The other side."""
        return self._sides.other

    async def peer(self, placed: SessionPlacement) -> RuntimeClient | None:
        """Return the client of the other side's pod of a session; None: this pod steps in."""
        runtime = await self._reach(placed)
        if runtime is None:
            self.step_in(placed, NO_ADDRESS)
        return runtime

    def step_in(self, placed: SessionPlacement, reason: str) -> None:
        """Count that this pod answers in place of the other side."""
        self._stepped_in(reason)
        _log.warning(
            f"{self._sides.own.value} answers in place of {self._sides.other.value}",
            session_id=placed.session_id,
            reason=reason,
            peer=placed.address,
        )

    def own_stream(self, session_id: str, caller: Principal) -> ConverseStream:
        """Begin a stream of the runtime of this pod."""
        return self._own.converse(session_id, caller)

    def _place(self, session_id: str, caller: Principal) -> SessionPlacement | None:
        """Return where a session is answered; None: in this pod."""
        address = self._files.other_side(session_id, caller.affinity)
        return SessionPlacement(session_id, address) if address else None

    async def _answers(self, runtime: RuntimeClient) -> bool:
        try:
            await runtime.health()
        except RuntimeFailed as failed:
            if not failed.unreachable:
                return True
            self._stepped_in(UNREACHABLE)
            return False
        return True

    async def _ask(
        self, session_id: str, caller: Principal, ask: Callable[[RuntimeClient], Awaitable[T]]
    ) -> T:
        """Ask the side of a session; what is asked so may be repeated."""
        placed = self._place(session_id, caller)
        runtime = None if placed is None else await self.peer(placed)
        if placed is None or runtime is None:
            return await ask(self._own)
        try:
            return await ask(runtime)
        except RuntimeFailed as failed:
            if not failed.unreachable:
                raise
            self.step_in(placed, UNREACHABLE)
            return await ask(self._own)


class _PeerStream:
    """A stream of the other side, for which this pod steps in before that side has begun.

    A side that has sent something serves the stream: it may have read the message, stored it and
    called tools. From then on the turn fails as it does when a runtime dies.
    """

    __slots__ = ("_caller", "_cancelled", "_placed", "_routed", "_sent", "_stream", "_untouched")

    def __init__(self, routed: RoutedRuntime, placed: SessionPlacement, caller: Principal) -> None:
        self._routed = routed
        self._placed = placed
        self._caller = caller
        self._stream: ConverseStream | None = None
        self._sent: list[OutgoingMessage] = []
        self._untouched = True
        self._cancelled = False

    @property
    def ended(self) -> bool:
        return self._cancelled if self._stream is None else self._stream.ended

    @property
    def variant(self) -> str:
        return self._routed.other if self._stream is None else self._stream.variant

    async def send(self, message: OutgoingMessage) -> bool:
        if self._untouched:
            self._sent.append(message)
        stream = self._stream or await self._open()
        # `read` sends a message again that was lost before the other side began.
        return await stream.send(message) or self._untouched

    async def read(self, receiver: TextReceiver) -> IncomingEvent | None:
        stream = self._stream or await self._open()
        relay = _FirstText(receiver, self._begun) if self._untouched else receiver
        try:
            event = await stream.read(relay)
        except RuntimeFailed as failed:
            if not failed.unreachable or not self._untouched or self._cancelled:
                raise
            self._routed.step_in(self._placed, UNREACHABLE)
            stream = self._stream = self._to_own()
            for message in self._sent:
                await stream.send(message)
            self._begun()
            return await stream.read(receiver)
        self._begun()
        return event

    def cancel(self) -> None:
        self._cancelled = True
        if self._stream is not None:
            self._stream.cancel()

    async def _open(self) -> ConverseStream:
        runtime = await self._routed.peer(self._placed)
        if self._stream is None:
            if runtime is None:
                self._untouched = False
                self._stream = self._to_own()
            else:
                self._stream = runtime.converse(self._placed.session_id, self._caller)
            if self._cancelled:
                self._stream.cancel()
        return self._stream

    def _to_own(self) -> ConverseStream:
        return self._routed.own_stream(self._placed.session_id, self._caller)

    def _begun(self) -> None:
        self._untouched = False
        self._sent = []


class _FirstText:
    """Notes the first text of a stream."""

    __slots__ = ("_begun", "_receiver")

    def __init__(self, receiver: TextReceiver, begun: Callable[[], None]) -> None:
        self._receiver = receiver
        self._begun = begun

    def send_text(self, text: str) -> bool:
        self._begun()
        return self._receiver.send_text(text)

    async def drain(self) -> None:
        await self._receiver.drain()
