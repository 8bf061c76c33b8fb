"""The WebSocket protocol without I/O: a frame or an event in, effects out."""

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.dialogue.events import (
    AnswerEnded,
    Audio,
    CallRequest,
    Chunk,
    Done,
    Failed,
    ToolCall,
    TurnEvent,
)
from omnia_facade.dialogue.handler import Resume
from omnia_facade.media.port import UploadRequest
from omnia_facade.timings import USUAL, Timings
from omnia_facade.ws import frames
from omnia_facade.ws.agenda import Agenda, Phase
from omnia_facade.ws.binary import BinaryFrame
from omnia_facade.ws.client_tools import ClientTools
from omnia_facade.ws.effects import CancelTurn, Effect, HangUp, Hear, RequestUpload, Send
from omnia_facade.ws.messages import (
    SESSION_ID_PATTERN,
    ClientFrame,
    Refused,
    UploadRequestBody,
    bad_session_id,
    turn_request,
)
from omnia_facade.ws.showing import Showing, Shown
from omnia_facade.ws.voice import Verdict, Voice, call_request
from omnia_facade.ws.waiting import Item


class Conversation:
    """One connection: what the client says becomes items of an agenda, events become frames."""

    __slots__ = ("_agenda", "_showing", "_tools")

    def __init__(
        self,
        session_id: str,
        *,
        show_tools: bool = True,
        binary: bool = False,
        timings: Timings = USUAL,
    ) -> None:
        """Begin with a new session; `binary` where binary frames were agreed on."""
        self._agenda = Agenda(session_id, binary=binary)
        self._showing = Showing(show_tools=show_tools, binary=binary)
        self._tools = ClientTools(timings)

    @property
    def session_id(self) -> str:
        """To which a message without one belongs: the session announced last."""
        return self._agenda.sessions.current

    @property
    def sessions(self) -> int:
        """How many sessions were announced: the new one, and those that were resumed."""
        return len(self._agenda.sessions)

    @property
    def held(self) -> int:
        """Bytes of the messages that are not answered yet."""
        return self._agenda.held

    @property
    def busy(self) -> bool:
        """Whether a probe, a turn or a call is under way."""
        return self._agenda.item is not None

    @property
    def binary(self) -> bool:
        """Whether binary frames were agreed on."""
        return self._showing.binary

    def open(self, resume: str | None = None) -> list[Effect]:
        """Begin; `resume` is the session that the client asked for when it connected."""
        effects = self._agenda.open()
        if not resume:
            return effects
        if not SESSION_ID_PATTERN.fullmatch(resume):
            return effects + self.refuse(bad_session_id())
        return effects + self._agenda.resume(resume)

    def refuse(self, refused: Refused) -> list[Effect]:
        """Tell the client that a frame was not accepted."""
        return [Send(frames.error(self.session_id, refused.code, refused.message))]

    def receive(self, frame: ClientFrame, size: int = 0) -> list[Effect]:
        """Take a frame of the client, which had so many bytes."""
        if self._agenda.phase is Phase.CLOSED:
            return []
        try:
            if frame.type == "message":
                request = turn_request(frame, frame.session_id or self.session_id)
                return self._agenda.add(Item(request.session_id, request, size))
            if frame.type == "cancel":
                return self._stop(self._agenda.meant, CancelTurn())
            if frame.type == "hangup":
                return self._hang_up()
            if frame.upload_request and frame.type == "upload_request":
                return self._upload(frame.session_id, frame.upload_request)
            return list(self._tools.receive(frame))
        except Refused as refused:
            return self.refuse(refused)

    def hear(self, frame: BinaryFrame) -> list[Effect]:
        """Take a frame with audio."""
        if self._agenda.phase is Phase.CLOSED:
            return []
        voice = self._agenda.voice = self._agenda.voice or Voice()
        audio = Audio(frame.payload, frame.sequence, frame.is_last)
        verdict = voice.hear(audio)
        if verdict is Verdict.GOES_ON:
            return [Hear(audio)]
        if verdict is Verdict.IGNORED:
            return []
        try:
            return [Hear(audio), *self._call(frame, voice, audio)]
        except Refused as refused:
            voice.refuse(audio)
            return self.refuse(refused)

    def probed(self, resume: Resume) -> list[Effect]:
        """Take the answer to a `Probe`."""
        return self._agenda.probed(resume)

    def event(self, number: int, event: TurnEvent) -> list[Effect]:
        """Take what a turn or call yields; after its end, or from an older one, it is ignored."""
        agenda = self._agenda
        item = agenda.item
        if item is None or number != agenda.number or agenda.phase is not Phase.RUNNING:
            return []
        if isinstance(event, Chunk) and not event.role:
            frame = self.chunk(number, event.text)
            return [Send(frame)] if frame else []
        if isinstance(event, Done):
            return self._end(frames.done(item.session_id, event))
        if isinstance(event, Failed):
            return self._end(frames.error(item.session_id, event.code, event.message))
        return self._show(item.session_id, event)

    def chunk(self, number: int, text: str) -> bytes | None:
        """Return the frame of a piece of a turn's answer; None as `event` ignores it."""
        agenda = self._agenda
        item = agenda.item
        if item is None or number != agenda.number or agenda.phase is not Phase.RUNNING:
            return None
        return frames.chunk(item.prefix, text) if text else None

    def turn_ended(self, number: int) -> list[Effect]:
        """Learn that a turn or call will yield nothing more."""
        failed = Failed(ErrorCode.INTERNAL_ERROR, "the answer broke off; send the message again")
        return self.event(number, failed)

    def deadline(self, call_id: str) -> list[Effect]:
        """Learn that the time of a `SetDeadline` has come."""
        return list(self._tools.deadline(call_id))

    def drain(self) -> list[Effect]:
        """Take no more messages, and close when those that were taken are answered."""
        return self._agenda.drain()

    def disconnected(self) -> list[Effect]:
        """Learn that the connection is gone."""
        return [*self._tools.clear(), *self._agenda.close()]

    def _show(self, session_id: str, event: Shown | AnswerEnded) -> list[Effect]:
        if isinstance(event, AnswerEnded):
            return [Send(frames.done(session_id, event.done)), *self._tools.clear()]
        effects = self._showing.show(session_id, event)
        if isinstance(event, ToolCall) and event.by_client:
            effects.append(self._tools.called(event.id))
        return effects

    def _end(self, last: bytes) -> list[Effect]:
        self._showing.end()
        send, *then = self._agenda.end(last)
        return [send, *self._tools.clear(), *then]

    def _stop(self, item: Item | None, how: CancelTurn | HangUp) -> list[Effect]:
        if item is None or item.cancelled:
            return []
        item.cancelled = True
        return [how] if self._agenda.phase is Phase.RUNNING else []

    def _call(self, frame: BinaryFrame, voice: Voice, audio: Audio) -> list[Effect]:
        self._agenda.require_idle()
        request = call_request(frame, self.session_id)
        voice.begin(audio)
        return self._agenda.add(Item(request.session_id, request))

    def _hang_up(self) -> list[Effect]:
        if self._agenda.voice:
            self._agenda.voice.hang_up()
        item = self._agenda.meant
        in_call = item is not None and isinstance(item.request, CallRequest)
        return self._stop(item, HangUp()) if in_call else []

    def _upload(self, session_id: str | None, body: UploadRequestBody) -> list[Effect]:
        self._agenda.require_open()
        session_id = session_id or self.session_id
        self._agenda.sessions.require(session_id)
        request = UploadRequest(session_id, body.filename, body.mime_type, body.size_bytes)
        return [RequestUpload(request)]
