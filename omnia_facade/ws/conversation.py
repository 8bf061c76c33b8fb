"""The WebSocket protocol without I/O: a frame or an event in, effects out."""

from enum import Enum, auto

from omnia_facade.turns.events import (
    CANCELLED,
    Chunk,
    Done,
    ErrorCode,
    Failed,
    ToolCall,
    ToolResult,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.turns.handler import Resume
from omnia_facade.ws import frames
from omnia_facade.ws.client_tools import ClientTools
from omnia_facade.ws.effects import (
    Abandon,
    CancelTurn,
    Close,
    Effect,
    Probe,
    Send,
    StartTurn,
)
from omnia_facade.ws.messages import SESSION_ID_PATTERN, ClientFrame, Refused, bad_session_id

MAX_WAITING = 8
GOING_AWAY = 1001


class Phase(Enum):
    """What is going on for the item in hand."""

    IDLE = auto()
    PROBING = auto()
    RUNNING = auto()
    CLOSED = auto()


class _Item:
    """A message to be answered or, without a request, a session to be resumed."""

    __slots__ = ("cancelled", "request", "session_id")

    def __init__(self, session_id: str, request: TurnRequest | None) -> None:
        self.session_id = session_id
        self.request = request
        self.cancelled = False


class Conversation:
    """One connection. Items are worked off one at a time, in the order in which they came.

    Attributes:
        session_id: to which a message without one belongs: the session announced last.
    """

    __slots__ = (
        "_draining",
        "_item",
        "_known",
        "_number",
        "_own",
        "_phase",
        "_prefix",
        "_show_tools",
        "_tools",
        "_waiting",
        "session_id",
    )

    def __init__(self, session_id: str, *, show_tools: bool = True) -> None:
        self.session_id = session_id
        self._own = session_id
        self._known = frozenset((session_id,))
        self._show_tools = show_tools
        self._phase = Phase.IDLE
        self._item: _Item | None = None
        self._waiting: list[_Item] = []
        self._number = 0
        self._prefix = b""
        self._tools = ClientTools()
        self._draining = False

    @property
    def busy(self) -> bool:
        """Whether a probe or a turn is under way."""
        return self._item is not None

    def open(self, resume: str | None = None) -> list[Effect]:
        """Begin; `resume` is the session that the client asked for when it connected."""
        effects: list[Effect] = [Send(frames.connected(self._own))]
        if resume and not SESSION_ID_PATTERN.fullmatch(resume):
            return effects + self.refuse(bad_session_id())
        if resume and resume != self._own:
            self.session_id = resume
            self._waiting.append(_Item(resume, None))
        return effects + self._next()

    def refuse(self, refused: Refused) -> list[Effect]:
        """Tell the client that a frame was not accepted."""
        return self._error(refused.code, refused.message)

    def receive(self, frame: ClientFrame) -> list[Effect]:
        """Take a frame of the client."""
        if self._phase is Phase.CLOSED:
            return []
        try:
            if frame.type == "message":
                return self._message(frame)
            if frame.type == "cancel":
                return self._cancel()
            return list(self._tools.receive(frame))
        except Refused as refused:
            return self.refuse(refused)

    def probed(self, resume: Resume) -> list[Effect]:
        """Take the answer to a `Probe`."""
        item = self._item
        if item is None or self._phase is not Phase.PROBING:
            return []
        if resume is Resume.RESUMABLE:
            return self._resumed(item)
        if resume is Resume.NOT_FOUND:
            if self.session_id == item.session_id:
                self.session_id = self._own
            code = ErrorCode.SESSION_EXPIRED
            state = "is unknown or has expired; a message without session_id starts a new one"
        else:
            code = ErrorCode.INTERNAL_ERROR
            state = "cannot be looked up at present; try again"
        message = f'session "{item.session_id}" {state}'
        return self._end(frames.error(item.session_id, code, message))

    def event(self, number: int, event: TurnEvent) -> list[Effect]:
        """Take what a turn yields; after its end, or from an older turn, it is ignored."""
        item = self._item
        if item is None or number != self._number or self._phase is not Phase.RUNNING:
            return []
        if isinstance(event, Chunk):
            return [Send(frames.chunk(self._prefix, event.text))] if event.text else []
        if isinstance(event, Done):
            return self._end(frames.done(item.session_id, event))
        if isinstance(event, Failed):
            return self._end(frames.error(item.session_id, event.code, event.message))
        return self._tool(item.session_id, event)

    def turn_ended(self, number: int) -> list[Effect]:
        """Learn that a turn will yield nothing more."""
        failed = Failed(ErrorCode.INTERNAL_ERROR, "the answer broke off; send the message again")
        return self.event(number, failed)

    def deadline(self, call_id: str) -> list[Effect]:
        """Learn that the time of a `SetDeadline` has come."""
        return list(self._tools.deadline(call_id))

    def drain(self) -> list[Effect]:
        """Take no more messages, and close when those that were taken are answered."""
        if self._phase is Phase.CLOSED:
            return []
        self._draining = True
        return self._next()

    def disconnected(self) -> list[Effect]:
        """Learn that the connection is gone."""
        effects: list[Effect] = list(self._tools.clear())
        if self._item is not None:
            effects.append(Abandon())
        self._item = None
        self._waiting.clear()
        self._phase = Phase.CLOSED
        return effects

    def _message(self, frame: ClientFrame) -> list[Effect]:
        if self._draining:
            raise Refused(
                ErrorCode.AGENT_UNAVAILABLE,
                "the server is shutting down; send the message again on a new connection",
            )
        if len(self._waiting) >= MAX_WAITING:
            raise Refused(
                ErrorCode.RATE_LIMITED,
                f"{MAX_WAITING} messages are waiting already; send the message again after a done",
            )
        session_id = frame.session_id or self.session_id
        request = TurnRequest(
            session_id=session_id,
            content=frame.content or "",
            parts=frame.parts or (),
            metadata=frame.metadata or {},
            consent_grants=(frame.consent_grants or ()) + (frame.session_consent_grants or ()),
        )
        self._waiting.append(_Item(session_id, request))
        return self._next()

    def _cancel(self) -> list[Effect]:
        item = self._item
        if item is not None and item.request is None:
            # The session is still being resumed: the turn that the client means is the next one.
            item = self._waiting[0] if self._waiting else None
        if item is None or item.cancelled:
            return []
        item.cancelled = True
        return [CancelTurn()] if self._phase is Phase.RUNNING else []

    def _next(self) -> list[Effect]:
        """Begin what waits, unless something is under way."""
        effects: list[Effect] = []
        while self._item is None and self._waiting:
            item = self._waiting.pop(0)
            if item.session_id in self._known:
                effects += self._begin(item)
            else:
                self._item, self._phase = item, Phase.PROBING
                effects.append(Probe(item.session_id))
        if self._draining and self._item is None:
            self._phase = Phase.CLOSED
            effects.append(Close(GOING_AWAY, "server shutdown"))
        return effects

    def _begin(self, item: _Item) -> list[Effect]:
        if item.request is None:
            return []
        if item.cancelled:
            return [Send(frames.done(item.session_id, Done("", finish_reason=CANCELLED)))]
        self._item, self._phase = item, Phase.RUNNING
        self._number += 1
        self._prefix = frames.chunk_prefix(item.session_id)
        return [StartTurn(self._number, item.request)]

    def _resumed(self, item: _Item) -> list[Effect]:
        self._known |= {item.session_id}
        self.session_id = item.session_id
        self._item, self._phase = None, Phase.IDLE
        effects: list[Effect] = [Send(frames.connected(item.session_id, resumed=True))]
        return effects + self._begin(item) + self._next()

    def _tool(self, session_id: str, event: ToolCall | ToolResult) -> list[Effect]:
        if isinstance(event, ToolResult):
            return [Send(frames.tool_result(session_id, event))] if self._show_tools else []
        if not event.by_client:
            return [Send(frames.tool_call(session_id, event))] if self._show_tools else []
        return [Send(frames.tool_call(session_id, event)), self._tools.called(event.id)]

    def _end(self, last: bytes) -> list[Effect]:
        """End the item in hand with its last frame, and begin the next."""
        effects: list[Effect] = [Send(last), *self._tools.clear()]
        self._item, self._phase = None, Phase.IDLE
        return effects + self._next()

    def _error(self, code: str, message: str) -> list[Effect]:
        return [Send(frames.error(self.session_id, code, message))]
