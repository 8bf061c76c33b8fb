"""Backends without a runtime: echo, and answers by keyword to try a client without a model."""

import asyncio
import re
from collections import OrderedDict

from msgspec import Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_core.conversation.listener import TurnListener
from omnia_core.conversation.tools import ToolCall, ToolResult
from omnia_core.names import Variant
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.audio import AUDIO_UNSUPPORTED, AudioQueue
from omnia_facade.backend.events import (
    CallRequest,
    ClientToolResult,
    Done,
    Failed,
    ToolCallEvent,
    ToolResultEvent,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.backend.port import (
    BackendConnection,
    Cancellation,
    Forked,
    ForkState,
    NewId,
    Probed,
    Reading,
    Resume,
)

# About 10 MB when full; the oldest ids are forgotten first.
MAX_ANNOUNCED = 50_000
WORD_SECONDS = 0.02


_UNKNOWN = Failed(
    ErrorCode.SESSION_EXPIRED,
    "the session is unknown or has expired; a message without session_id starts a new one",
)


class AnnouncedSessions:
    """The session ids that this process has announced, with the user ids of their owners."""

    def __init__(self, limit: int = MAX_ANNOUNCED) -> None:
        self._limit = limit
        self._owners: OrderedDict[str, str] = OrderedDict()

    def add(self, session_id: str, user_id: str) -> None:
        """Add an id, unless it is known; with the user id "" its owner is anonymous."""
        self._owners.setdefault(session_id, user_id)
        if len(self._owners) > self._limit:
            self._owners.popitem(last=False)

    def probe(self, session_id: str, user_id: str) -> Resume:
        """Return whether this user can continue the session."""
        if self._owners.get(session_id) not in ("", user_id):
            return Resume.NOT_FOUND
        self._owners.move_to_end(session_id)
        return Resume.RESUMABLE


class EchoBackend:
    """Answers with the message."""

    def __init__(self, sessions: AnnouncedSessions) -> None:
        self._sessions = sessions

    async def probe(self, session_id: str, principal: Principal) -> Resume:
        return self._sessions.probe(session_id, principal.user_id)

    async def capabilities(self) -> frozenset[str]:
        return frozenset()

    async def cancel_turn(self, session_id: str, principal: Principal) -> Cancellation:
        known = self._sessions.probe(session_id, principal.user_id) is Resume.RESUMABLE
        return Cancellation.UNSUPPORTED if known else Cancellation.NOT_FOUND

    async def read(
        self,
        session_id: str,
        principal: Principal,
        last_turns: int,  # noqa: ARG002 - the port's
    ) -> Reading:
        known = self._sessions.probe(session_id, principal.user_id) is Resume.RESUMABLE
        return Reading(None if known else Resume.NOT_FOUND)

    async def fork(
        self,
        session_id: str,
        principal: Principal,
        after_turn: int,  # noqa: ARG002 - the port's
        new_id: NewId,  # noqa: ARG002 - likewise
    ) -> Forked:
        known = self._sessions.probe(session_id, principal.user_id) is Resume.RESUMABLE
        return Forked(ForkState.UNSUPPORTED if known else ForkState.NOT_FOUND)

    def begin(self, session_id: str, principal: Principal) -> BackendConnection:
        self._sessions.add(session_id, principal.user_id)
        return _EchoConnection(self._sessions, principal.user_id)


class Script(Struct, frozen=True):
    """The answer to a message with one of the words: tools first, then the text word by word."""

    words: tuple[str, ...]
    text: str
    tools: tuple[ToolCallEvent | ToolResultEvent, ...] = ()

    def matches(self, message: str) -> bool:
        """Whether the message contains one of the words or phrases."""
        return any(re.search(rf"\b{word}\b", message, re.IGNORECASE) for word in self.words)


SCRIPTS = (
    Script(
        ("password",),
        "I looked up your account. A link to choose a new password is on its way to you.",
        (ToolCallEvent(ToolCall("call_001", "lookup-user", '{"query":"password reset"}')),),
    ),
    Script(
        ("weather",),
        "It is 18 degrees and sunny in Lisbon.",
        (
            ToolCallEvent(ToolCall("call_002", "weather", '{"location":"Lisbon"}')),
            ToolResultEvent("call_002", ToolResult('{"temperature":18,"conditions":"sunny"}')),
        ),
    ),
    Script(
        ("help",),
        'This is the demo handler. Say "weather" or "password" to see a tool call, or "hello".',
    ),
    Script(("hello", "hi"), "Hello! What would you like to try?"),
)
DEFAULT = Script((), 'The demo handler heard you. Say "help" to see what it knows.')


def script_for(message: str) -> Script:
    """Return the script that answers a message."""
    return next((script for script in SCRIPTS if script.matches(message)), DEFAULT)


class DemoBackend(EchoBackend):
    """Answers by script."""

    def __init__(self, sessions: AnnouncedSessions, word_seconds: float = WORD_SECONDS) -> None:
        super().__init__(sessions)
        self._word_seconds = word_seconds

    def begin(self, session_id: str, principal: Principal) -> BackendConnection:
        self._sessions.add(session_id, principal.user_id)
        return _DemoConnection(self._sessions, principal.user_id, self._word_seconds)


class _EchoConnection:
    """Without a runtime there are no calls, no client tools, and nothing to cancel or release."""

    __slots__ = ("_sessions", "_user_id")

    variant: str = Variant.STABLE

    def __init__(self, sessions: AnnouncedSessions, user_id: str) -> None:
        self._sessions = sessions
        self._user_id = user_id

    async def probe(self, session_id: str) -> Probed:
        return Probed(self._sessions.probe(session_id, self._user_id))

    async def turn(
        self,
        request: TurnRequest,
        listener: TurnListener[TurnEvent],
    ) -> Done | Failed:
        if foreign := self._foreign(request):
            return foreign
        await listener.drain()
        return Done(f"Echo: {request.text}")

    def _foreign(self, request: TurnRequest) -> Failed | None:
        """Return the failure for the session of another user, as the runtime answers it."""
        known = self._sessions.probe(request.session_id, self._user_id)
        return None if known is Resume.RESUMABLE else _UNKNOWN

    async def call(
        self,
        request: CallRequest,  # noqa: ARG002 - the port's
        audio: AudioQueue,  # noqa: ARG002 - the port's
        listener: TurnListener[TurnEvent],  # noqa: ARG002 - the port's
    ) -> Done | Failed:
        return AUDIO_UNSUPPORTED

    def hang_up(self) -> None:
        """No call ever runs."""

    def cancel(self) -> None:
        """The answer is complete at once."""

    def send_tool_result(self, result: ClientToolResult) -> None:
        """No client tool is ever called."""

    def close(self) -> None:
        """There is nothing to release."""


class _DemoConnection(_EchoConnection):
    __slots__ = ("_cancelled", "_word_seconds")

    def __init__(self, sessions: AnnouncedSessions, user_id: str, word_seconds: float) -> None:
        super().__init__(sessions, user_id)
        self._word_seconds = word_seconds
        self._cancelled = False

    async def turn(self, request: TurnRequest, listener: TurnListener[TurnEvent]) -> Done | Failed:
        if foreign := self._foreign(request):
            return foreign
        script = script_for(request.text)
        text = ""
        try:
            for event in script.tools:
                await listener.send_event(event)
            for word in re.findall(r"\S+\s*", script.text):
                await asyncio.sleep(self._word_seconds)
                if self._cancelled:
                    return Done(text, finish_reason=CANCELLED)
                text += word
                if not listener.send_text(word):
                    await listener.drain()
            return Done(text)
        finally:
            self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
