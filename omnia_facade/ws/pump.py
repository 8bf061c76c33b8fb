"""The work that a conversation asks for: probes, turns and calls, one at a time."""

import asyncio
from typing import Protocol

import structlog

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.eager import begin
from omnia_facade.dialogue.audio import AudioQueue
from omnia_facade.dialogue.events import Chunk, Done, Failed, TurnEvent
from omnia_facade.dialogue.handler import Dialogue, Resume, Say
from omnia_facade.ws.calls import Calls
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import Conversation
from omnia_facade.ws.effects import Effect, Probe, StartCall, StartTurn

_log = structlog.get_logger()


class Client(Protocol):
    """The socket, as the pump sees it."""

    unwritten: asyncio.Event | None

    def apply(self, todo: list[Effect]) -> None:
        """Do what the conversation decided."""

    def say(self, frame: bytes) -> None:
        """Send a frame."""

    def audio(self) -> AudioQueue:
        """Return what the client says on the phone."""

    def settle(self) -> None:
        """Learn that a turn has ended."""


class Pump:
    """A task exists only while a session is probed, or a turn or call runs."""

    __slots__ = (
        "_calls",
        "_client",
        "_connections",
        "_conversation",
        "_dialogue",
        "_job",
        "_worker",
        "_working",
    )

    def __init__(
        self,
        connections: Connections,
        conversation: Conversation,
        dialogue: Dialogue,
        client: Client,
        calls: Calls,
    ) -> None:
        """Move what `dialogue` yields through `conversation` to `client`; count turns and calls."""
        self._connections = connections
        self._conversation = conversation
        self._dialogue = dialogue
        self._client = client
        self._calls = calls
        self._job: Probe | StartTurn | StartCall | None = None
        self._worker: asyncio.Task[None] | None = None
        self._working = False

    def start(self, job: Probe | StartTurn | StartCall) -> None:
        """Begin, or go on with this after what is just ending."""
        self._job = job
        if not self._working:
            self._working = True
            worker = begin(self._work())
            # It may have ended by now, where nothing had to be waited for.
            self._worker = worker if self._working else None

    def abandon(self) -> None:
        """Stop what is under way."""
        self._job = None
        if self._worker:
            self._worker.cancel()

    async def _work(self) -> None:
        try:
            while (job := self._job) is not None:
                self._job = None
                if isinstance(job, Probe):
                    self._probed(await self._probe(job.session_id))
                elif isinstance(job, StartTurn):
                    await self._turn(job)
                else:
                    await self._call(job)
        finally:
            self._working, self._worker = False, None

    def _probed(self, resume: Resume) -> None:
        known = self._conversation.sessions
        self._client.apply(self._conversation.probed(resume))
        self._connections.metrics.sessions_active.inc(self._conversation.sessions - known)

    async def _probe(self, session_id: str) -> Resume:
        try:
            return await self._dialogue.probe(session_id)
        except Exception:  # noqa: BLE001 - the client is told, and may try again
            _log.exception("probe crashed", session_id=session_id)
            return Resume.UNAVAILABLE

    async def _turn(self, job: StartTurn) -> None:
        turn = self._connections.turn_started(job.accepted_at)
        say = self._saying(job)
        events = self._dialogue.turn(job.request, say)
        last: TurnEvent | None = None
        try:
            async for event in events:
                # It may be full again before this task has its turn.
                while self._client.unwritten:
                    await self._client.unwritten.wait()
                if not (isinstance(event, Chunk) and not event.role and say(event.text)):
                    self._client.apply(self._conversation.event(job.number, event))
                last = event
                if isinstance(event, Done | Failed):
                    break
        except Exception:  # noqa: BLE001 - a turn that crashes ends in an error frame
            _log.exception("turn crashed", session_id=job.request.session_id)
        finally:
            await events.aclose()
            self._connections.turn_ended(turn, success=isinstance(last, Done))
        self._client.apply(self._conversation.turn_ended(job.number))
        self._client.settle()

    def _saying(self, job: StartTurn) -> Say:
        """Return the short way for the text of an answer: from its arrival to the socket."""
        client, chunk, number, silent = self._client, self._conversation.chunk, job.number, True

        def say(text: str) -> bool:
            nonlocal silent
            if client.unwritten is not None:
                return False
            frame = chunk(number, text)
            if frame is not None:
                client.say(frame)
            if silent:
                silent = False
                self._connections.first_chunk(job.accepted_at)
            return True

        return say

    async def _call(self, job: StartCall) -> None:
        if not self._calls.begin():
            full = f"audio session limit reached: {self._calls.limit} calls; call again later"
            refused = Failed(ErrorCode.RATE_LIMITED, full)
            self._client.apply(self._conversation.event(job.number, refused))
            return
        events = self._dialogue.call(job.request, self._client.audio())
        try:
            async for event in events:
                self._client.apply(self._conversation.event(job.number, event))
                if isinstance(event, Done | Failed):
                    break
                if self._client.unwritten:
                    await self._client.unwritten.wait()
        except Exception:  # noqa: BLE001 - a call that crashes ends in an error frame
            _log.exception("call crashed", session_id=job.request.session_id)
        finally:
            await events.aclose()
            self._calls.end()
        self._client.apply(self._conversation.turn_ended(job.number))
