"""The port of a backend, which answers the turns and calls of a connection."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Protocol, TypeAlias

from msgspec import Struct

from omnia_core.conversation.listener import TurnListener
from omnia_core.conversation.parts import Part
from omnia_core.conversation.tools import ToolCall
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.trail import TurnTrail
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.audio import AudioQueue
from omnia_facade.backend.events import (
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    TurnEvent,
    TurnRequest,
)


class Resume(Enum):
    """Whether a session can be continued."""

    RESUMABLE = auto()
    NOT_FOUND = auto()
    UNAVAILABLE = auto()


class Probed(Struct, frozen=True):
    """Whether a session can be continued, and its name; "" while it has none."""

    resume: Resume
    session_name: str = ""


class Cancellation(Enum):
    """What became of the request to cancel the running turn of a session."""

    ACCEPTED = auto()
    NOT_FOUND = auto()
    NOT_RUNNING = auto()
    UNSUPPORTED = auto()
    UNAVAILABLE = auto()


class SaidMessage(Struct, frozen=True):
    """A message of an earlier turn.

    Attributes:
        role: user, assistant or tool.
        content: the text; of a `tool` message the result, JSON text where the tool returned JSON.
        parts: media, with a URL or the name of an upload; never with their data.
        tool_calls: of an `assistant` message.
        tool_call_id, is_error: of a `tool` message.
        finish_reason: of an `assistant` message.
        created_at: RFC 3339, UTC; "" when not known.
        pack_version: of a `user` message, the version of the PromptPack that answered it.
        variant: of a `user` message, the variant of the agent that answered it; "" for stable.
        variables: of a `user` message, the values of the prompt's variables that came with it;
            None where they are not kept.
    """

    role: str
    content: str = ""
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    is_error: bool = False
    finish_reason: str = ""
    created_at: str = ""
    pack_version: str = ""
    variant: str = ""
    variables: Mapping[str, str] | None = None


class Reading(Struct, frozen=True):
    """The earlier turns of a session.

    Attributes:
        resume: whether the session can be read; None where sessions are not kept.
        messages: of the last turns, in their order; each message of a user begins a turn.
        earlier_turns: how many turns came before.
        trails: the audit trails of these turns, by their number in the session, from 1.
        eval_results: of these turns.
    """

    resume: Resume | None
    session_name: str = ""
    messages: tuple[SaidMessage, ...] = ()
    earlier_turns: int = 0
    trails: Mapping[int, TurnTrail] = {}
    eval_results: tuple[EvalResult, ...] = ()


class ForkState(Enum):
    """What became of the request to begin a session with the first turns of another one."""

    CREATED = auto()
    NOT_FOUND = auto()
    TURN_RUNNING = auto()
    OUT_OF_RANGE = auto()
    UNSUPPORTED = auto()
    UNAVAILABLE = auto()


class Forked(Struct, frozen=True):
    """The session that a fork has created; without one, why there is none.

    Attributes:
        session_id: of the new session; "" if it was not created.
        detail: what the caller is told.
    """

    state: ForkState
    session_id: str = ""
    detail: str = ""


NewId: TypeAlias = Callable[[Principal], str]
"""Makes the id of a new session of a caller."""


class BackendConnection(Protocol):
    """The turns and calls of one client connection, one at a time."""

    @property
    def variant(self) -> str:
        """The side of a rollout that answers the running turn, or answered the last one."""

    async def probe(self, session_id: str) -> Probed:
        """Return whether a session that this connection did not begin can be continued."""

    async def turn(self, request: TurnRequest, listener: TurnListener[TurnEvent]) -> Done | Failed:
        """Answer a message: text and events go to `listener`.

        Cancelling the task abandons the turn.
        """

    async def call(
        self, request: CallRequest, audio: AudioQueue, listener: TurnListener[TurnEvent]
    ) -> Done | Failed:
        """Hold a voice call; as a turn, with `AnswerEnded` after each answer."""

    def hang_up(self) -> None:
        """Ask the running call to end soon, with `Done`."""

    def cancel(self) -> None:
        """Ask the running turn or call to end soon, with `Done` and the text so far."""

    def send_tool_result(self, result: ClientToolResult) -> None:
        """Send the client's tool result to the running turn or call."""

    def close(self) -> None:
        """Release all resources; a running turn or call is abandoned."""


class Backend(Protocol):
    """Answers all connections; one per program."""

    async def probe(self, session_id: str, principal: Principal) -> Resume:
        """Return whether this caller can continue a session."""

    async def capabilities(self) -> frozenset[str]:
        """Return what answers to turns can do, as `RuntimeCapability`; empty while unknown."""

    async def cancel_turn(self, session_id: str, principal: Principal) -> Cancellation:
        """Ask the running turn of a session to end soon, whichever connection began it."""

    async def read(self, session_id: str, principal: Principal, last_turns: int) -> Reading:
        """Return the last turns of a session of this caller; 0 turns: as many as fit."""

    async def fork(
        self, session_id: str, principal: Principal, after_turn: int, new_id: NewId
    ) -> Forked:
        """Begin a session with the first turns of a session of this caller."""

    def begin(self, session_id: str, principal: Principal) -> BackendConnection:
        """Begin a connection to which `session_id` was announced."""
