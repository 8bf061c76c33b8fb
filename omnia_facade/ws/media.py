"""What of a connection is no text: the audio of its calls, and uploads."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.dialogue.audio import AudioQueue
from omnia_facade.dialogue.events import Audio
from omnia_facade.dialogue.handler import Dialogue
from omnia_facade.metrics import VoiceMetrics
from omnia_facade.ws.binary import BinaryFrame, FrameType, decode
from omnia_facade.ws.brake import Brake
from omnia_facade.ws.conversation import Conversation
from omnia_facade.ws.effects import (
    Effect,
    EndAudio,
    HangUp,
    Hear,
    MediaEffect,
    RequestUpload,
)
from omnia_facade.ws.limits import Pace, Rate
from omnia_facade.ws.messages import Refused
from omnia_facade.ws.uploads import Client, SocketUploads

BeginUploads: TypeAlias = Callable[[Client], SocketUploads]

_NOT_BINARY = Refused(
    ErrorCode.INVALID_MESSAGE,
    "binary frames are not enabled; expected JSON in a text frame, or connect with ?binary=true",
)
_NO_STORAGE = Refused(
    ErrorCode.MEDIA_NOT_ENABLED, "media storage is not enabled; send media inline in parts"
)


class Media:
    """Made when a connection has its first binary message, call or upload."""

    __slots__ = (
        "_audio",
        "_begin_uploads",
        "_conversation",
        "_dialogue",
        "_metrics",
        "_pace",
        "_slowed",
        "_socket",
        "_uploads",
    )

    def __init__(
        self,
        socket: Client,
        conversation: Conversation,
        dialogue: Dialogue,
        metrics: VoiceMetrics,
        rate: Rate,
        begin_uploads: BeginUploads | None,
    ) -> None:
        """`rate` is that of bytes from the client; `begin_uploads` is None without a storage."""
        self._socket = socket
        self._conversation = conversation
        self._dialogue = dialogue
        self._metrics = metrics
        self._begin_uploads = begin_uploads
        self._pace = Pace(rate)
        self._slowed: asyncio.TimerHandle | None = None
        self._audio: AudioQueue | None = None
        self._uploads: SocketUploads | None = None

    def receive(self, data: bytes) -> list[Effect]:
        """Take a binary message."""
        self._slow_down(len(data))
        try:
            if not self._conversation.binary:
                raise _NOT_BINARY
            return self._receive(decode(data))
        except Refused as refused:
            return self._conversation.refuse(refused)

    def apply(self, effect: MediaEffect) -> list[Effect]:
        """Do what the conversation decided; return what follows from it."""
        match effect:
            case Hear(audio):
                self._hear(audio)
            case HangUp():
                self.audio().end()
                self._dialogue.hang_up()
            case EndAudio():
                self._audio = None
                self._socket.release(Brake.AUDIO)
            case RequestUpload(request):
                try:
                    self._require_uploads().request(request)
                except Refused as refused:
                    return self._conversation.refuse(refused)
        return []

    def audio(self) -> AudioQueue:
        """Return what the client says on the phone."""
        if self._audio is None:
            self._audio = AudioQueue(
                partial(self._socket.release, Brake.AUDIO), self._metrics.delivered
            )
        return self._audio

    def close(self) -> None:
        """Learn that the connection is gone."""
        if self._slowed:
            self._slowed.cancel()
        if self._uploads:
            self._uploads.close()

    def _receive(self, frame: BinaryFrame) -> list[Effect]:
        if frame.type is FrameType.UPLOAD:
            self._require_uploads().receive(frame)
            return []
        self._metrics.received(len(frame.payload))
        return self._conversation.hear(frame)

    def _slow_down(self, size: int) -> None:
        loop = asyncio.get_running_loop()
        pause = self._pace.spend(size, loop.time())
        if pause > 0:
            self._metrics.frames_rate_limited.inc()
            self._socket.brake(Brake.RATE)
            if self._slowed:
                self._slowed.cancel()
            self._slowed = loop.call_later(pause, self._socket.release, Brake.RATE)

    def _hear(self, audio: Audio) -> None:
        waiting = self.audio()
        waiting.put(audio)
        if waiting.full:
            self._socket.brake(Brake.AUDIO)

    def _require_uploads(self) -> SocketUploads:
        if self._uploads is None:
            if self._begin_uploads is None:
                raise _NO_STORAGE
            self._uploads = self._begin_uploads(self._socket)
        return self._uploads
