"""Answers by keyword, to try a client without a model."""

import asyncio
import re
from collections.abc import AsyncGenerator

from msgspec import Struct

from omnia_core.conversation.finish_reasons import CANCELLED
from omnia_facade.auth.principal import Principal
from omnia_facade.dialogue.audio import NO_AUDIO, AudioQueue
from omnia_facade.dialogue.events import (
    CallRequest,
    Chunk,
    Done,
    ToolAnswer,
    ToolCall,
    ToolResult,
    TurnEvent,
    TurnRequest,
)
from omnia_facade.dialogue.handler import Dialogue, Resume, Say
from omnia_facade.turns.announced import AnnouncedSessions

WORD_SECONDS = 0.02


class Script(Struct, frozen=True):
    """What is answered when one of the words is heard: tools first, then the text, word by word."""

    words: tuple[str, ...]
    text: str
    tools: tuple[ToolCall | ToolResult, ...] = ()

    def matches(self, heard: str) -> bool:
        """Whether a word or phrase of the script stands in the text, whole."""
        return any(re.search(rf"\b{word}\b", heard, re.IGNORECASE) for word in self.words)


SCRIPTS = (
    Script(
        ("password",),
        "I looked up your account. A link to choose a new password is on its way to you.",
        (ToolCall("call_001", "lookup-user", '{"query":"password reset"}'),),
    ),
    Script(
        ("weather",),
        "It is 18 degrees and sunny in Lisbon.",
        (
            ToolCall("call_002", "weather", '{"location":"Lisbon"}'),
            ToolResult("call_002", '{"temperature":18,"conditions":"sunny"}'),
        ),
    ),
    Script(
        ("help",),
        'This is the demo handler. Say "weather" or "password" to see a tool call, or "hello".',
    ),
    Script(("hello", "hi"), "Hello! What would you like to try?"),
)
DEFAULT = Script((), 'The demo handler heard you. Say "help" to see what it knows.')


def script_for(heard: str) -> Script:
    """Choose the answer to a message."""
    return next((script for script in SCRIPTS if script.matches(heard)), DEFAULT)


class DemoHandler:
    """Answers without a runtime; a session is an id that this process has announced."""

    def __init__(self, sessions: AnnouncedSessions, word_seconds: float = WORD_SECONDS) -> None:
        self._sessions = sessions
        self._word_seconds = word_seconds

    def begin(self, session_id: str, principal: Principal) -> Dialogue:
        self._sessions.add(session_id, principal.user_id)
        return _DemoDialogue(self._sessions, principal.user_id, self._word_seconds)


class _DemoDialogue:
    __slots__ = ("_cancelled", "_sessions", "_user_id", "_word_seconds")

    def __init__(self, sessions: AnnouncedSessions, user_id: str, word_seconds: float) -> None:
        self._sessions = sessions
        self._user_id = user_id
        self._word_seconds = word_seconds
        self._cancelled = False

    async def probe(self, session_id: str) -> Resume:
        return self._sessions.probe(session_id, self._user_id)

    async def turn(
        self,
        request: TurnRequest,
        say: Say,  # noqa: ARG002 - the port's
    ) -> AsyncGenerator[TurnEvent, None]:
        script = script_for(request.text)
        said = ""
        try:
            for tool in script.tools:
                yield tool
            for word in re.findall(r"\S+\s*", script.text):
                await asyncio.sleep(self._word_seconds)
                if self._cancelled:
                    yield Done(said, finish_reason=CANCELLED)
                    return
                said += word
                yield Chunk(word)
            yield Done(said)
        finally:
            self._cancelled = False

    async def call(
        self,
        request: CallRequest,  # noqa: ARG002 - the port's
        audio: AudioQueue,  # noqa: ARG002 - the port's
    ) -> AsyncGenerator[TurnEvent, None]:
        yield NO_AUDIO

    def hang_up(self) -> None:
        """No call is ever taken."""

    def cancel(self) -> None:
        self._cancelled = True

    def answer(self, answer: ToolAnswer) -> None:
        """The scripted calls wait for nobody."""

    def close(self) -> None:
        """Nothing is held."""
