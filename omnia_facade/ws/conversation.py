"""The WebSocket protocol without I/O: a frame or an event in, effects out."""

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.backend.events import (
    AnswerEnded,
    AudioInput,
    CallRequest,
    Done,
    Failed,
    ToolCallEvent,
    TurnEvent,
)
from omnia_facade.backend.port import Resume
from omnia_facade.backend.session_ids import SESSION_ID_PATTERN
from omnia_facade.media.port import UploadRequest
from omnia_facade.timings import USUAL, Timings
from omnia_facade.ws import frames
from omnia_facade.ws.binary import BinaryFrame
from omnia_facade.ws.client_tools import PendingToolCalls
from omnia_facade.ws.effects import CancelTurn, Effect, HangUp, QueueAudio, RequestUpload, Send
from omnia_facade.ws.messages import (
    ClientFrame,
    FrameRefused,
    UploadRequestBody,
    invalid_session_id,
    refused_trial,
    turn_request,
)
from omnia_facade.ws.rendering import EventRenderer
from omnia_facade.ws.turn_queue import Phase, QueueEntry, TurnQueue
from omnia_facade.ws.voice import AudioDecision, CallAudioState, call_request

BROKEN_OFF = Failed(ErrorCode.INTERNAL_ERROR, "the answer broke off; send the message again")


class WebSocketConversation:
    """The state of one connection: client frames become queue entries, events become frames."""

    __slots__ = ("_queue", "_renderer", "_tool_calls", "_trials")

    def __init__(
        self,
        session_id: str,
        *,
        show_tools: bool = True,
        binary: bool = False,
        trials: bool = False,
        timings: Timings = USUAL,
    ) -> None:
        """Begin with a new session.

        Args:
            session_id: of the new session.
            show_tools: whether the client sees the tools that the runtime executes itself.
            binary: whether the client negotiated binary frames.
            trials: whether a session may try something out.
            timings: time limits.
        """
        self._trials = trials
        self._queue = TurnQueue(session_id, binary=binary)
        self._renderer = EventRenderer(show_tools=show_tools, binary=binary)
        self._tool_calls = PendingToolCalls(timings)

    @property
    def session_id(self) -> str:
        """The session announced last; messages without a session id belong to it."""
        return self._queue.sessions.current

    @property
    def session_count(self) -> int:
        """The number of sessions announced: the new one, and the resumed ones."""
        return len(self._queue.sessions)

    @property
    def unanswered_bytes(self) -> int:
        """Bytes of the messages that are not answered yet."""
        return self._queue.unanswered_bytes

    @property
    def binary(self) -> bool:
        """Whether binary frames were negotiated."""
        return self._renderer.binary

    def open(self, resume: str | None = None) -> list[Effect]:
        """Begin; `resume` is the session requested in the connection's query."""
        effects = self._queue.open()
        if not resume:
            return effects
        if not SESSION_ID_PATTERN.fullmatch(resume):
            return effects + self.refuse(invalid_session_id())
        return effects + self._queue.resume(resume)

    def refuse(self, refused: FrameRefused) -> list[Effect]:
        """Send the client an error for a frame that was not accepted."""
        return [Send(frames.error(self.session_id, refused.code, refused.message))]

    def receive(self, frame: ClientFrame, size: int = 0) -> list[Effect]:
        """Process a text frame of `size` bytes."""
        if self._queue.phase is Phase.CLOSED:
            return []
        try:
            if frame.type == "message":
                if frame.trial and not self._trials:
                    raise refused_trial()
                request = turn_request(frame, frame.session_id or self.session_id)
                named = bool(frame.session_id)
                return self._queue.add(QueueEntry(request.session_id, request, size, named=named))
            if frame.type == "cancel":
                return self._stop(self._queue.cancellable, CancelTurn())
            if frame.type == "hangup":
                return self._hang_up()
            if frame.upload_request and frame.type == "upload_request":
                return self._request_upload(frame.session_id, frame.upload_request)
            return list(self._tool_calls.receive(frame))
        except FrameRefused as refused:
            return self.refuse(refused)

    def receive_audio(self, frame: BinaryFrame) -> list[Effect]:
        """Process a binary frame with audio."""
        if self._queue.phase is Phase.CLOSED:
            return []
        state = self._queue.audio = self._queue.audio or CallAudioState()
        audio = AudioInput(frame.payload, frame.sequence, frame.is_last)
        decision = state.receive(audio)
        if decision is AudioDecision.CONTINUES_CALL:
            return [QueueAudio(audio)]
        if decision is AudioDecision.IGNORED:
            return []
        try:
            return [QueueAudio(audio), *self._start_call(frame, state, audio)]
        except FrameRefused as refused:
            state.refuse(audio)
            return self.refuse(refused)

    def probed(self, resume: Resume, session_name: str = "") -> list[Effect]:
        """Process the result of `ProbeSession`."""
        return self._queue.probed(resume, session_name)

    def text_frame(self, number: int, text: str) -> bytes | None:
        """Return the frame of a piece of a turn's answer.

        None: the text is empty, or the turn is over or not the current one.
        """
        queue = self._queue
        entry = queue.current
        if entry is None or number != queue.number or queue.phase is not Phase.RUNNING:
            return None
        return frames.chunk(entry.prefix, text) if text else None

    def turn_event(self, number: int, event: TurnEvent) -> list[Effect]:
        """Process an event of a turn or call; ignored unless it is the current one."""
        entry = self._running(number)
        if entry is None:
            return []
        if isinstance(event, AnswerEnded):
            return [Send(frames.done(entry.session_id, event.done)), *self._tool_calls.clear()]
        effects = self._renderer.render(entry.session_id, event)
        if isinstance(event, ToolCallEvent):
            if event.by_client:
                effects.append(self._tool_calls.add(event.call.id))
            elif effects:
                self._tool_calls.add_shown(event.call.id)
        return effects

    def turn_ended(self, number: int, outcome: Done | Failed) -> list[Effect]:
        """Process the end of a turn or call; ignored unless it is the current one."""
        entry = self._running(number)
        if entry is None:
            return []
        if isinstance(outcome, Done):
            last = frames.done(entry.session_id, outcome)
        else:
            last = frames.error(entry.session_id, outcome.code, outcome.message, outcome.advice)
            if outcome.code == ErrorCode.SESSION_EXPIRED:
                self._queue.sessions.expired = True
        self._renderer.end()
        send, *next_effects = self._queue.end(last)
        return [send, *self._tool_calls.clear(), *next_effects]

    def deadline_passed(self, call_id: str) -> list[Effect]:
        """Process the end of a `SetDeadline`."""
        return list(self._tool_calls.deadline_passed(call_id))

    def drain(self) -> list[Effect]:
        """Accept no more messages, and close when the accepted ones are answered."""
        return self._queue.drain()

    def disconnected(self) -> list[Effect]:
        """Process the end of the connection."""
        return [*self._tool_calls.clear(), *self._queue.close()]

    def _running(self, number: int) -> QueueEntry | None:
        """Return the running turn or call if it has this number."""
        queue = self._queue
        running = number == queue.number and queue.phase is Phase.RUNNING
        return queue.current if running else None

    def _stop(self, entry: QueueEntry | None, effect: CancelTurn | HangUp) -> list[Effect]:
        if entry is None or entry.cancelled:
            return []
        entry.cancelled = True
        return [effect] if self._queue.phase is Phase.RUNNING else []

    def _start_call(
        self, frame: BinaryFrame, state: CallAudioState, audio: AudioInput
    ) -> list[Effect]:
        self._queue.require_idle()
        request = call_request(frame, self.session_id)
        state.start(audio)
        return self._queue.add(QueueEntry(request.session_id, request))

    def _hang_up(self) -> list[Effect]:
        if self._queue.audio:
            self._queue.audio.hang_up()
        entry = self._queue.cancellable
        in_call = entry is not None and isinstance(entry.request, CallRequest)
        return self._stop(entry, HangUp()) if in_call else []

    def _request_upload(self, session_id: str | None, body: UploadRequestBody) -> list[Effect]:
        self._queue.require_open()
        session_id = session_id or self.session_id
        self._queue.sessions.require(session_id)
        request = UploadRequest(session_id, body.filename, body.mime_type, body.size_bytes)
        return [RequestUpload(request)]
