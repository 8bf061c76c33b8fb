"""Signals to the pod that runs a turn of a session, from any pod of the agent."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from msgspec import Struct

CANCEL = "cancel"

# How long a store keeps a signal: a listener that connects, or polls, gets it all the same.
KEPT_SECONDS = 5.0
POLL_SECONDS = 0.5
# Listeners of a server that wakes them look again after this time, which finds dead connections.
CHECK_SECONDS = 30.0
# How long a connection for wake-ups outlives the last turn of its pod.
CONNECTED_SECONDS = 60.0


class Signal(Struct, frozen=True):
    """What the pod that runs a turn should do.

    Attributes:
        kind: `cancel`; a listener ignores the kinds that it does not know.
        by: the user who asks for it; "" when anonymous.
        length: how many messages the session had for the sender. The signal is for the turn whose
            user's message was the last of them, and for no later one.
    """

    session_id: str
    kind: str
    by: str
    length: int


class Signals(Protocol):
    """The signals of one agent. Both methods raise `StoreUnavailable`.

    Attributes:
        idle_seconds: how long a listener should go on after the last turn of its pod; 0 where
            listening costs something all the time.
    """

    idle_seconds: float = 0.0

    async def send(self, signal: Signal) -> None:
        """Send a signal to every listener of the agent."""

    def listen(self) -> AsyncGenerator[Signal]:
        """Connect, and yield the signals of the last `KEPT_SECONDS` and those that follow.

        A signal may come twice. When the connection is lost this raises; whoever still needs
        signals listens again.
        """


class Wakeups(Protocol):
    """The connection over which a store wakes a listener."""

    async def wait(self) -> None:
        """Return when there may be a signal."""


class StoredSignals(Signals):
    """Signals that a store keeps for a short time.

    A driver implements `send` and `recent`, and `wakeups` when its server can wake a listener.
    """

    async def recent(self) -> Sequence[Signal]:
        """Return the signals of the last `KEPT_SECONDS`."""
        raise NotImplementedError

    def wakeups(self) -> AbstractAsyncContextManager[Wakeups | None]:
        """Open the connection that wakes this listener; None: it polls."""
        return nullcontext()

    async def listen(self) -> AsyncGenerator[Signal]:
        known = frozenset[Signal]()
        async with self.wakeups() as wakeups:
            while True:
                found = frozenset(await self.recent())
                for signal in found - known:
                    yield signal
                known = found
                await (wakeups.wait() if wakeups else asyncio.sleep(POLL_SECONDS))
