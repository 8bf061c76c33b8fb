"""The binary traffic of a connection: call audio and uploads."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.backend.audio import AudioQueue
from omnia_facade.backend.events import AudioInput
from omnia_facade.backend.port import BackendConnection
from omnia_facade.metrics import VoiceMetrics
from omnia_facade.ws.binary import BinaryFrame, FrameType, decode
from omnia_facade.ws.conversation import WebSocketConversation
from omnia_facade.ws.effects import (
    DropAudio,
    Effect,
    HangUp,
    MediaEffect,
    QueueAudio,
    RequestUpload,
)
from omnia_facade.ws.inbound_limits import ConnectionLimits, ReadPause, Throttle
from omnia_facade.ws.messages import FrameRefused
from omnia_facade.ws.uploads import SocketUploads, UploadSocket

BeginUploads: TypeAlias = Callable[[UploadSocket], SocketUploads]

_NOT_BINARY = (
    "binary frames are not enabled; expected JSON in a text frame, or connect with ?binary=true"
)
_NO_STORAGE = "media storage is not enabled; send media inline in parts"


class MediaTraffic:
    """Created by the first binary message, call or upload of a connection."""

    __slots__ = (
        "_audio",
        "_backend",
        "_begin_uploads",
        "_bytes",
        "_conversation",
        "_frames",
        "_metrics",
        "_socket",
        "_throttled",
        "_uploads",
    )

    def __init__(
        self,
        socket: UploadSocket,
        conversation: WebSocketConversation,
        backend: BackendConnection,
        metrics: VoiceMetrics,
        limits: ConnectionLimits,
        begin_uploads: BeginUploads | None,
    ) -> None:
        """`begin_uploads` is None without a media store."""
        self._socket = socket
        self._conversation = conversation
        self._backend = backend
        self._metrics = metrics
        self._begin_uploads = begin_uploads
        self._bytes = Throttle(limits.media)
        self._frames = Throttle(limits.binary_frames)
        self._throttled: asyncio.TimerHandle | None = None
        self._audio: AudioQueue | None = None
        self._uploads: SocketUploads | None = None

    @property
    def waiting(self) -> int:
        """Received bytes of uploads that are not written yet."""
        return self._uploads.waiting if self._uploads else 0

    def receive(self, data: bytes) -> list[Effect]:
        """Process a binary message."""
        self._apply_rate(len(data))
        if not self._conversation.binary:
            refused = FrameRefused(ErrorCode.INVALID_MESSAGE, _NOT_BINARY)
            return self._conversation.refuse(refused)
        try:
            return self._receive(decode(data))
        except FrameRefused as refused:
            return self._conversation.refuse(refused)

    def apply(self, effect: MediaEffect) -> list[Effect]:
        """Execute an effect; return the effects that follow from it."""
        match effect:
            case QueueAudio(audio):
                self._queue_audio(audio)
            case HangUp():
                self.audio().end()
                self._backend.hang_up()
            case DropAudio():
                self._audio = None
                self._socket.resume_reading(ReadPause.AUDIO)
            case RequestUpload(request):
                try:
                    self._require_uploads().request(request)
                except FrameRefused as refused:
                    return self._conversation.refuse(refused)
        return []

    def audio(self) -> AudioQueue:
        """Return the queue of call audio from the client."""
        if self._audio is None:
            self._audio = AudioQueue(
                partial(self._socket.resume_reading, ReadPause.AUDIO), self._metrics.delivered
            )
        return self._audio

    def close(self) -> None:
        """Called when the connection is closed."""
        if self._throttled:
            self._throttled.cancel()
        if self._uploads:
            self._uploads.close()

    def _receive(self, frame: BinaryFrame) -> list[Effect]:
        if frame.type is FrameType.UPLOAD:
            self._require_uploads().receive(frame)
            return []
        self._metrics.received(len(frame.payload))
        return self._conversation.receive_audio(frame)

    def _apply_rate(self, size: int) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        pause = max(self._bytes.spend(size, now), self._frames.spend(1, now))
        if pause > 0:
            self._metrics.frames_rate_limited.inc()
            self._socket.pause_reading(ReadPause.RATE)
            if self._throttled:
                self._throttled.cancel()
            self._throttled = loop.call_later(pause, self._socket.resume_reading, ReadPause.RATE)

    def _queue_audio(self, audio: AudioInput) -> None:
        queue = self.audio()
        queue.put(audio)
        if queue.full:
            self._socket.pause_reading(ReadPause.AUDIO)

    def _require_uploads(self) -> SocketUploads:
        if self._uploads is None:
            if self._begin_uploads is None:
                raise FrameRefused(ErrorCode.MEDIA_NOT_ENABLED, _NO_STORAGE)
            self._uploads = self._begin_uploads(self._socket)
        return self._uploads
