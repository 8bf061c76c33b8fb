"""Runs the probes, turns and calls that a conversation starts, one at a time."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Protocol, TypeAlias

import structlog

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.eager import start_eagerly
from omnia_facade.backend.audio import AudioQueue
from omnia_facade.backend.events import CallRequest, Done, Failed, TurnEvent, TurnRequest
from omnia_facade.backend.port import BackendConnection, Probed, Resume
from omnia_facade.ws.connections import Connections
from omnia_facade.ws.conversation import BROKEN_OFF, WebSocketConversation
from omnia_facade.ws.effects import Effect, ProbeSession, StartCall, StartTurn
from omnia_facade.ws.voice import VoiceCallLimit

_log = structlog.get_logger()

Job: TypeAlias = ProbeSession | StartTurn | StartCall


class TurnSocket(Protocol):
    """The client's connection, as used by its turns.

    Attributes:
        unwritten: set when the client has read what was written; None while it keeps up.
    """

    unwritten: asyncio.Event | None

    def apply(self, effects: list[Effect]) -> None:
        """Execute effects; a job among them is passed to `TurnRunner.submit`."""

    def send(self, frame: bytes) -> None:
        """Send a text frame."""

    def audio(self) -> AudioQueue:
        """Return the queue of call audio from the client."""

    def turn_ended(self) -> None:
        """Called after the last frame of a turn."""


class TurnRunner:
    """Runs the jobs of one connection in a task, which exists only while there is a job.

    A job is started in two steps, because its first part runs in the caller: `submit` stores it
    while effects are executed, and `start` runs it afterwards.
    """

    __slots__ = (
        "_backend",
        "_call_limit",
        "_connections",
        "_conversation",
        "_job",
        "_socket",
        "_task",
    )

    def __init__(
        self,
        connections: Connections,
        conversation: WebSocketConversation,
        backend: BackendConnection,
        socket: TurnSocket,
        call_limit: VoiceCallLimit,
    ) -> None:
        """Send what `backend` answers to `socket`, as `conversation` decides."""
        self._connections = connections
        self._conversation = conversation
        self._backend = backend
        self._socket = socket
        self._call_limit = call_limit
        self._job: Job | None = None
        self._task: asyncio.Task[None] | None = None

    def submit(self, job: Job) -> None:
        """Set the next job; a conversation submits one only when the last has ended."""
        self._job = job

    def start(self) -> None:
        """Start the submitted job, if any; it runs up to its first wait before this returns."""
        if self._job is not None and self._task is None:
            task = start_eagerly(self._run())
            self._task = None if task.done() else task

    def abandon(self) -> None:
        """Cancel the running job."""
        self._job = None
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            while (job := self._job) is not None:
                self._job = None
                if self._socket.unwritten:
                    # The answers to a client that does not read would pile up.
                    await _drained(self._socket)
                if isinstance(job, StartTurn):
                    await self._turn(job)
                elif isinstance(job, ProbeSession):
                    await self._probe(job)
                else:
                    await self._call(job)
        finally:
            self._task = None

    async def _probe(self, job: ProbeSession) -> None:
        try:
            probed = await self._backend.probe(job.session_id)
        except Exception:  # noqa: BLE001 - the client gets an error, and may try again
            _log.exception("probe crashed", session_id=job.session_id)
            probed = Probed(Resume.UNAVAILABLE)
        sessions = self._conversation.session_count
        self._socket.apply(self._conversation.probed(probed.resume, probed.session_name))
        self._connections.metrics.sessions_active.inc(self._conversation.session_count - sessions)

    async def _turn(self, job: StartTurn) -> None:
        began = self._connections.turn_started(job.accepted_at)
        output = _Output(job.number, self._conversation, self._socket)
        outcome: Done | Failed = BROKEN_OFF
        try:
            outcome = await _outcome(self._backend.turn(job.request, output), job.request)
            self._socket.apply(self._conversation.turn_ended(job.number, outcome))
        finally:
            # Which variant answers may be known at the end only.
            variant = self._backend.variant
            if output.first_text_at is not None:
                self._connections.metrics.first_chunk(
                    output.first_text_at - job.accepted_at, variant
                )
            self._connections.turn_ended(began, success=isinstance(outcome, Done), variant=variant)
        self._socket.turn_ended()

    async def _call(self, job: StartCall) -> None:
        if self._call_limit.acquire():
            output = _Output(job.number, self._conversation, self._socket)
            call = self._backend.call(job.request, self._socket.audio(), output)
            try:
                outcome = await _outcome(call, job.request)
            finally:
                self._call_limit.release()
        else:
            limit = self._call_limit.limit
            message = f"audio session limit reached: {limit} calls; call again later"
            outcome = Failed(ErrorCode.RATE_LIMITED, message)
        self._socket.apply(self._conversation.turn_ended(job.number, outcome))


async def _drained(socket: TurnSocket) -> None:
    """Wait until the client has read what was written."""
    # The socket may be full again before this task runs.
    while (unwritten := socket.unwritten) is not None:
        await unwritten.wait()


async def _outcome(
    answer: Coroutine[Any, Any, Done | Failed], request: TurnRequest | CallRequest
) -> Done | Failed:
    """Wait for the end of a turn or call; one that crashes ends in an error frame."""
    try:
        return await answer
    except Exception:  # noqa: BLE001 - as described
        what = "call" if isinstance(request, CallRequest) else "turn"
        _log.exception(f"{what} crashed", session_id=request.session_id)
        return BROKEN_OFF


class _Output:
    """The listener of one turn or call: text goes from its arrival straight to the socket.

    Attributes:
        first_text_at: when the first text was sent, by `time.perf_counter`.
    """

    __slots__ = (
        "_conversation",
        "_number",
        "_send",
        "_socket",
        "_text_frame",
        "first_text_at",
    )

    def __init__(
        self,
        number: int,
        conversation: WebSocketConversation,
        socket: TurnSocket,
    ) -> None:
        self._number = number
        self._conversation = conversation
        self._socket = socket
        # Bound once: they are called with each piece of text.
        self._send = socket.send
        self._text_frame = conversation.text_frame
        self.first_text_at: float | None = None

    def send_text(self, text: str) -> bool:
        frame = self._text_frame(self._number, text)
        if frame is not None:
            self._send(frame)
        if self.first_text_at is None:
            self.first_text_at = time.perf_counter()
        return self._socket.unwritten is None

    async def drain(self) -> None:
        await _drained(self._socket)

    async def send_event(self, event: TurnEvent) -> None:
        self._socket.apply(self._conversation.turn_event(self._number, event))
        await self.drain()
