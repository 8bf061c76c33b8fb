"""The frames that a client is sent for the events of a turn, except its text and its end."""

from collections.abc import Iterator
from hashlib import blake2b
from typing import TypeAlias

from msgspec import structs

from omnia_facade.backend.events import (
    Interruption,
    MediaChunk,
    SessionConfig,
    ToolCallEvent,
    ToolResultEvent,
    Transcript,
)
from omnia_facade.ws import frames
from omnia_facade.ws.binary import (
    MEDIA_ID_BYTES,
    BinaryFrame,
    BinaryMetadata,
    FrameType,
    encode,
)
from omnia_facade.ws.effects import Effect, Send, SendMedia

# Larger payloads are split into pieces of this size, in bytes.
MAX_PAYLOAD = 1024 * 1024
PIECE = 64 * 1024

RenderedEvent: TypeAlias = (
    Transcript | ToolCallEvent | ToolResultEvent | MediaChunk | Interruption | SessionConfig
)


class EventRenderer:
    """Renders events as one client has asked for them, and may see them."""

    __slots__ = ("_media", "_show_tools", "binary")

    def __init__(self, *, show_tools: bool, binary: bool) -> None:
        """Show the runtime's tool calls or not; send media in binary frames or in JSON."""
        self._show_tools = show_tools
        self.binary = binary
        self._media: MediaRenderer | None = None

    def end(self) -> None:
        """Called when the turn has ended."""
        self._media = None

    def render(self, session_id: str, event: RenderedEvent) -> list[Effect]:
        """Return the effects that send an event."""
        match event:
            case Transcript(text, role):
                return [Send(frames.transcript(session_id, text, role))]
            case ToolCallEvent():
                shown = self._show_tools or event.by_client
                return [Send(frames.tool_call(session_id, event))] if shown else []
            case ToolResultEvent():
                return [Send(frames.tool_result(session_id, event))] if self._show_tools else []
            case Interruption():
                return [Send(frames.interrupt(session_id))]
            case SessionConfig():
                return [Send(frames.session_config(session_id, event))]
            case MediaChunk():
                if self._media is None:
                    self._media = MediaRenderer(session_id, binary=self.binary)
                return self._media.render(event)


class MediaRenderer:
    """Renders the media of one turn or call, and splits large payloads.

    The pieces of a payload have consecutive sequence numbers, and later payloads follow them:
    clients append payloads in the order of their numbers, whether or not they know of pieces.
    """

    __slots__ = ("_binary", "_session_id", "_shift")

    def __init__(self, session_id: str, *, binary: bool) -> None:
        """`binary` if the client negotiated binary frames."""
        self._session_id = session_id
        self._binary = binary
        self._shift: dict[str, int] = {}

    def render(self, chunk: MediaChunk) -> list[Effect]:
        """Return the effects that send a chunk."""
        pieces = list(self._pieces(chunk))
        total = len(pieces) if len(pieces) > 1 else None
        return [
            SendMedia(self._frame(piece, total), len(piece.data), self._binary) for piece in pieces
        ]

    def _frame(self, chunk: MediaChunk, total: int | None) -> bytes:
        if self._binary:
            return _binary_frame(self._session_id, chunk, total)
        return frames.media_chunk(self._session_id, chunk)

    def _pieces(self, chunk: MediaChunk) -> Iterator[MediaChunk]:
        first = chunk.sequence + self._shift.pop(chunk.media_id, 0)
        size = len(chunk.data)
        if size <= MAX_PAYLOAD:
            last = first
            yield structs.replace(chunk, sequence=first)
        else:
            last = first + (size - 1) // PIECE
            for number, start in enumerate(range(0, size, PIECE)):
                yield structs.replace(
                    chunk,
                    sequence=first + number,
                    is_last=chunk.is_last and first + number == last,
                    data=chunk.data[start : start + PIECE],
                )
        if last > chunk.sequence and not chunk.is_last:
            self._shift[chunk.media_id] = last - chunk.sequence


def _binary_frame(session_id: str, chunk: MediaChunk, total: int | None) -> bytes:
    name = chunk.media_id.encode()
    short = len(name) <= MEDIA_ID_BYTES
    return encode(
        BinaryFrame(
            type=FrameType.MEDIA_CHUNK,
            payload=chunk.data,
            sequence=chunk.sequence,
            is_last=chunk.is_last,
            chunked=total is not None,
            media_id=name.ljust(MEDIA_ID_BYTES, b"\0")
            if short
            else blake2b(name, digest_size=MEDIA_ID_BYTES).digest(),
            metadata=BinaryMetadata(
                session_id=session_id,
                mime_type=chunk.mime_type or None,
                media_id=None if short else chunk.media_id,
                total_chunks=total,
            ),
        )
    )
