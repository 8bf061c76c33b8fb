"""The queue of one connection: the turn in progress, the ones that wait, and their sessions."""

import time
from enum import Enum, auto

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.names import MAX_MESSAGE_BYTES
from omnia_facade.backend.events import CallRequest, Done, TurnRequest
from omnia_facade.backend.port import Resume
from omnia_facade.ws import frames
from omnia_facade.ws.effects import (
    Abandon,
    Close,
    DropAudio,
    Effect,
    ProbeSession,
    Send,
    StartCall,
    StartTurn,
)
from omnia_facade.ws.messages import FrameRefused
from omnia_facade.ws.voice import CallAudioState

GOING_AWAY = 1001
MAX_WAITING = 8
MAX_WAITING_BYTES = MAX_MESSAGE_BYTES


class QueueEntry:
    """A turn or call to run or, without a request, a session to resume.

    Attributes:
        size: of the message, in bytes.
        named: whether the client named the session.
        accepted_at: when it arrived, by `time.perf_counter`.
        prefix: the beginning of every chunk frame of its answer.
    """

    __slots__ = ("accepted_at", "cancelled", "named", "prefix", "request", "session_id", "size")

    def __init__(
        self,
        session_id: str,
        request: TurnRequest | CallRequest | None,
        size: int = 0,
        *,
        named: bool = True,
    ) -> None:
        self.session_id = session_id
        self.request = request
        self.size = size
        self.named = named
        self.accepted_at = time.perf_counter()
        self.cancelled = False
        self.prefix = b""


class Phase(Enum):
    """The state of the current entry."""

    IDLE = auto()
    PROBING = auto()
    RUNNING = auto()
    CLOSED = auto()


class TurnQueue:
    """Processes entries one at a time, in the order of their arrival.

    Attributes:
        sessions: the sessions that this connection has announced.
        current: the entry in progress.
        number: of the running turn or call.
        audio: decides about the client's audio; None before the first piece.
    """

    __slots__ = ("_backlog", "_draining", "audio", "current", "number", "phase", "sessions")

    def __init__(self, session_id: str, *, binary: bool) -> None:
        """Begin with a new session; `binary` is announced with every session."""
        self.sessions = ConnectionSessions(session_id, binary=binary)
        self.current: QueueEntry | None = None
        self.number = 0
        self.phase = Phase.IDLE
        self.audio: CallAudioState | None = None
        self._backlog = Backlog()
        self._draining = False

    @property
    def cancellable(self) -> QueueEntry | None:
        """The entry that a cancel refers to: the next one while a session is being resumed."""
        if self.current is not None and self.current.request is None:
            return self._backlog.first
        return self.current

    @property
    def unanswered_bytes(self) -> int:
        """Bytes of the messages that are not answered yet."""
        return self._backlog.size + (self.current.size if self.current else 0)

    def open(self) -> list[Effect]:
        """Announce the new session."""
        return [Send(self.sessions.announce())]

    def resume(self, session_id: str) -> list[Effect]:
        """Continue a session before anything else."""
        if session_id in self.sessions:
            return []
        self.sessions.current = session_id
        self._backlog.add(QueueEntry(session_id, None))
        return self._start_next()

    def add(self, entry: QueueEntry) -> list[Effect]:
        """Add an entry.

        Raises:
            FrameRefused: the backlog is full, or the server is shutting down.
        """
        self.require_open()
        self._backlog.add(entry)
        return self._start_next()

    def require_open(self) -> None:
        """Raise `FrameRefused` if the server is shutting down."""
        if self._draining:
            raise FrameRefused(
                ErrorCode.AGENT_UNAVAILABLE,
                "the server is shutting down; send the message again on a new connection",
            )

    def require_idle(self) -> None:
        """Raise `FrameRefused` if a turn or call runs or waits; resuming a session is allowed."""
        self.require_open()
        if self._backlog or (self.current is not None and self.current.request is not None):
            raise FrameRefused(
                ErrorCode.RATE_LIMITED,
                "a call begins when nothing else is under way; send audio after the done",
            )

    def probed(self, resume: Resume, session_name: str = "") -> list[Effect]:
        """Process the result of `ProbeSession`."""
        entry = self.current
        if entry is None or self.phase is not Phase.PROBING:
            return []
        if resume is Resume.RESUMABLE:
            return self._resumed(entry, session_name)
        return self.end(self.sessions.not_resumed(entry.session_id, resume))

    def end(self, last: bytes) -> list[Effect]:
        """End the current entry with its last frame, and start the next."""
        effects: list[Effect] = [Send(last), *self._end_audio(self.current)]
        self.current, self.phase = None, Phase.IDLE
        return effects + self._start_next()

    def drain(self) -> list[Effect]:
        """Accept no more entries, and close when the accepted ones have ended."""
        if self.phase is Phase.CLOSED:
            return []
        self._draining = True
        return self._start_next()

    def close(self) -> list[Effect]:
        """Drop all entries."""
        effects: list[Effect] = [Abandon()] if self.current is not None else []
        for entry in (self.current, self._backlog.first):
            effects += self._end_audio(entry)
        self.current, self.phase = None, Phase.CLOSED
        self._backlog.clear()
        return effects

    def _start_next(self) -> list[Effect]:
        """Start the next entry unless one is in progress."""
        effects: list[Effect] = []
        while self.current is None and self._backlog:
            entry = self._backlog.pop()
            if entry.session_id in self.sessions:
                effects += self._start(entry)
            else:
                self.current, self.phase = entry, Phase.PROBING
                effects.append(ProbeSession(entry.session_id))
        if self._draining and self.current is None:
            self.phase = Phase.CLOSED
            effects.append(Close(GOING_AWAY, "server shutdown"))
        return effects

    def _start(self, entry: QueueEntry) -> list[Effect]:
        if entry.request is None:
            return []
        if entry.cancelled:
            last = frames.done(entry.session_id, Done("", finish_reason=CANCELLED))
            return [Send(last), *self._end_audio(entry)]
        self.current, self.phase = entry, Phase.RUNNING
        self.number += 1
        entry.prefix = frames.chunk_prefix(entry.session_id)
        if isinstance(entry.request, TurnRequest):
            start = StartTurn(self.number, entry.request, entry.accepted_at)
            if self.sessions.expired and not entry.named:
                # The client has dropped its session id, and waits for another one.
                return [Send(self.sessions.announce_again(entry.session_id)), start]
            return [start]
        return [StartCall(self.number, entry.request)]

    def _resumed(self, entry: QueueEntry, session_name: str) -> list[Effect]:
        self.current, self.phase = None, Phase.IDLE
        announcement = Send(self.sessions.resumed(entry.session_id, session_name))
        return [announcement, *self._start(entry), *self._start_next()]

    def _end_audio(self, entry: QueueEntry | None) -> list[Effect]:
        if entry is None or self.audio is None or not isinstance(entry.request, CallRequest):
            return []
        self.audio.end()
        return [DropAudio()]


class Backlog:
    """The entries that wait; bounded in number and bytes."""

    __slots__ = ("_entries", "_size")

    def __init__(self) -> None:
        self._entries: list[QueueEntry] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of the waiting messages."""
        return self._size

    @property
    def first(self) -> QueueEntry | None:
        """The next entry."""
        return self._entries[0] if self._entries else None

    def add(self, entry: QueueEntry) -> None:
        """Append an entry.

        Raises:
            FrameRefused: too many entries or bytes wait already.
        """
        if len(self._entries) >= MAX_WAITING:
            raise _full(f"{MAX_WAITING} messages are waiting already")
        if self._entries and self._size + entry.size > MAX_WAITING_BYTES:
            raise _full(
                f"the messages that are waiting have {self._size} bytes; together with this one "
                f"they would have more than {MAX_WAITING_BYTES}"
            )
        self._entries.append(entry)
        self._size += entry.size

    def pop(self) -> QueueEntry:
        """Remove and return the next entry."""
        entry = self._entries.pop(0)
        self._size -= entry.size
        return entry

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()
        self._size = 0


class ConnectionSessions:
    """The new session with which a connection begins, and the ones resumed on it.

    Attributes:
        current: the session announced last; messages without a session id belong to it.
        expired: whether the client was told that a session has expired, and no session since.
    """

    __slots__ = ("_announced", "_binary", "_own", "current", "expired")

    def __init__(self, session_id: str, *, binary: bool) -> None:
        """Begin with a new session; `binary` is announced with every session."""
        self.current = session_id
        self.expired = False
        self._own = session_id
        self._announced = frozenset((session_id,))
        self._binary = binary

    def __len__(self) -> int:
        return len(self._announced)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._announced

    def require(self, session_id: str) -> None:
        """Raise `FrameRefused` if the session was not announced."""
        if session_id not in self._announced:
            raise FrameRefused(
                ErrorCode.SESSION_NOT_FOUND,
                f'session "{session_id}" is not open on this connection; resume it first, with a '
                "message or in the query",
            )

    def announce(self) -> bytes:
        """Return the frame that announces the new session."""
        return frames.connected(self._own, binary=self._binary)

    def resumed(self, session_id: str, session_name: str = "") -> bytes:
        """Make a resumed session current; return the frame that announces it."""
        self._announced |= {session_id}
        self.current, self.expired = session_id, False
        return frames.connected(
            session_id, resumed=True, binary=self._binary, session_name=session_name
        )

    def announce_again(self, session_id: str) -> bytes:
        """Return the frame that announces a session to a client that knows of an expired one."""
        self.expired = False
        return frames.connected(session_id, resumed=session_id != self._own, binary=self._binary)

    def not_resumed(self, session_id: str, resume: Resume) -> bytes:
        """Return the error frame for a session that cannot be resumed."""
        if resume is Resume.NOT_FOUND:
            if self.current == session_id:
                self.current = self._own
            self.expired = True
            code = ErrorCode.SESSION_EXPIRED
            state = "is unknown or has expired; a message without session_id starts a new one"
        else:
            code = ErrorCode.INTERNAL_ERROR
            state = "cannot be looked up at present; try again"
        return frames.error(session_id, code, f'session "{session_id}" {state}')


def _full(state: str) -> FrameRefused:
    return FrameRefused(ErrorCode.RATE_LIMITED, f"{state}; send the message again after a done")
