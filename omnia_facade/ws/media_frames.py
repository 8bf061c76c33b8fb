"""Streamed media on its way to the client: one frame each, or several where it is large."""

from collections.abc import Iterator
from hashlib import blake2b

from msgspec import structs

from omnia_facade.dialogue.events import Interruption, MediaChunk, SessionConfig
from omnia_facade.ws import binary, frames
from omnia_facade.ws.effects import Effect, Send, SendMedia

MAX_PAYLOAD = 1024 * 1024
PIECE = 64 * 1024


class MediaFrames:
    """What is shown of one turn or call.

    The pieces of a large payload have consecutive sequence numbers, and so has what follows them:
    a client appends payloads in the order of their numbers, whether it knows of pieces or not.
    """

    __slots__ = ("_binary", "_session_id", "_shift")

    def __init__(self, session_id: str, *, binary: bool) -> None:
        """`binary` where the client asked for binary frames."""
        self._session_id = session_id
        self._binary = binary
        self._shift: dict[str, int] = {}

    def show(self, event: MediaChunk | Interruption | SessionConfig) -> list[Effect]:
        """Return what is sent."""
        if isinstance(event, Interruption):
            return [Send(frames.interrupt(self._session_id))]
        if isinstance(event, SessionConfig):
            return [Send(frames.session_config(self._session_id, event))]
        pieces = list(self._pieces(event))
        total = len(pieces) if len(pieces) > 1 else None
        return [
            SendMedia(self._frame(each, total), len(each.data), self._binary) for each in pieces
        ]

    def _frame(self, chunk: MediaChunk, total: int | None) -> bytes:
        if self._binary:
            return _encode(self._session_id, chunk, total)
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


def _encode(session_id: str, chunk: MediaChunk, total: int | None) -> bytes:
    name = chunk.media_id.encode()
    short = len(name) <= binary.MEDIA_ID_BYTES
    size = binary.MEDIA_ID_BYTES
    return binary.encode(
        binary.BinaryFrame(
            type=binary.FrameType.MEDIA_CHUNK,
            payload=chunk.data,
            sequence=chunk.sequence,
            is_last=chunk.is_last,
            chunked=total is not None,
            media_id=name.ljust(size, b"\0") if short else blake2b(name, digest_size=size).digest(),
            metadata=binary.Metadata(
                session_id=session_id,
                mime_type=chunk.mime_type or None,
                media_id=None if short else chunk.media_id,
                total_chunks=total,
            ),
        )
    )
