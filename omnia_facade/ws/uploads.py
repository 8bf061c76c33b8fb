"""Uploads over WebSocket: tickets, and the bytes of files in binary frames."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, TypeAlias

import structlog
from msgspec import Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.auth.principal import Principal
from omnia_facade.media.port import (
    MediaErrorCode,
    MediaFailed,
    StoredFile,
    UploadRequest,
    Uploads,
    UploadTicket,
    UploadWriter,
)
from omnia_facade.ws import frames
from omnia_facade.ws.binary import BinaryFrame
from omnia_facade.ws.effects import Effect, Send
from omnia_facade.ws.inbound_limits import ReadPause
from omnia_facade.ws.messages import FrameRefused

MAX_OPEN = 8
# The unwritten bytes of a connection's uploads at which reading from its socket pauses.
MAX_WAITING_BYTES = 1024 * 1024
# How long after a ticket has expired its file may still arrive: it may be on its way to the disk.
LATE_SECONDS = 10.0
# How long the program waits for unfinished uploads when it ends.
CLOSE_SECONDS = 5.0

_log = structlog.get_logger()


class UploadSocket(Protocol):
    """The client's connection, as used by its uploads."""

    def received(self) -> None:
        """Record how many bytes wait."""

    def apply(self, effects: list[Effect]) -> None:
        """Send frames."""

    def pause_reading(self, reason: ReadPause) -> None:
        """Stop reading."""

    def resume_reading(self, reason: ReadPause) -> None:
        """Continue reading."""


class UploadFactory:
    """Creates the uploads of each connection; one for the whole program.

    Attributes:
        tasks: the running tasks of all connections.
    """

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, caller: Principal, socket: UploadSocket) -> "SocketUploads":
        """Return the uploads of one connection."""
        return SocketUploads(self._uploads, caller, socket, self.tasks)

    async def close(self) -> None:
        """Wait for the running tasks; the connections are closed already."""
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=CLOSE_SECONDS)


class SocketUploads:
    """The uploads of one connection. A task exists only while there is a job.

    Attributes:
        waiting: received bytes that are not written yet.
    """

    def __init__(
        self,
        uploads: Uploads,
        caller: Principal,
        socket: UploadSocket,
        tasks: set[asyncio.Task[None]],
    ) -> None:
        """`tasks` keeps the tasks that outlive the connection."""
        self._uploads = uploads
        self._caller = caller
        self._socket = socket
        self._tasks = tasks
        self._open: dict[str, _Transfer] = {}
        self._jobs: deque[_Job] = deque()
        self._requested = 0
        self.waiting = 0
        self._working = False
        self._closed = False

    def request(self, request: UploadRequest) -> None:
        """Request a ticket, and send it to the client.

        Raises:
            FrameRefused: too many uploads are open.
        """
        if len(self._open) + self._requested >= MAX_OPEN:
            raise FrameRefused(
                ErrorCode.RATE_LIMITED,
                f"{MAX_OPEN} uploads are open already; request the next after an upload_complete",
            )
        self._requested += 1
        self._add(request)

    def receive(self, frame: BinaryFrame) -> None:
        """Process a piece of a file.

        Raises:
            FrameRefused: the connection has not requested this upload.
        """
        upload_id = frame.metadata.upload_id
        if not upload_id:
            raise FrameRefused(
                ErrorCode.INVALID_MESSAGE, 'an upload frame needs the metadata {"upload_id": …}'
            )
        transfer = self._open.get(upload_id)
        if transfer is None:
            raise FrameRefused(
                ErrorCode.UPLOAD_FAILED,
                f'no upload "{upload_id[:64]}" is open on this connection; begin with an '
                "upload_request",
            )
        self.waiting += len(frame.payload)
        if self.waiting > MAX_WAITING_BYTES:
            self._socket.pause_reading(ReadPause.UPLOAD)
        self._add(_Piece(transfer, frame))

    def close(self) -> None:
        """Called when the connection is closed; unfinished uploads are aborted."""
        self._closed = True
        self._jobs = deque(job for job in self._jobs if isinstance(job, _Transfer))
        for transfer in self._open.values():
            transfer.cancel_waits()
            if transfer.begun:
                self._add(transfer)

    def _add(self, job: "_Job") -> None:
        self._jobs.append(job)
        if not self._working:
            self._working = True
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        while self._jobs:
            match self._jobs.popleft():
                case UploadRequest() as request:
                    await self._request(request)
                case _Transfer() as transfer:
                    await self._abandon(transfer)
                case _Piece(transfer, frame):
                    await self._write(transfer, frame)
                    self.waiting -= len(frame.payload)
                    self._socket.received()
                    if self.waiting <= MAX_WAITING_BYTES:
                        self._socket.resume_reading(ReadPause.UPLOAD)
        if self._closed:
            for transfer in self._open.values():
                await transfer.abort()
        self._working = False

    async def _request(self, request: UploadRequest) -> None:
        try:
            ticket = await self._uploads.request(request, self._caller)
        except Exception as error:  # noqa: BLE001 - the client gets an error, and may try again
            self._failed(request.session_id, error, filename=request.filename)
            return
        finally:
            self._requested -= 1
        if self._closed:
            return
        transfer = _Transfer(request.session_id, ticket, self._uploads, self._caller)
        self._open[ticket.upload_id] = transfer
        transfer.unwatch = self._uploads.watch(ticket.upload_id, partial(self._completed, transfer))
        left = datetime.fromisoformat(ticket.expires_at) - datetime.now(UTC)
        transfer.timer = asyncio.get_running_loop().call_later(
            left.total_seconds() + LATE_SECONDS, self._add, transfer
        )
        self._send(frames.upload_ready(request.session_id, ticket))

    async def _write(self, transfer: "_Transfer", frame: BinaryFrame) -> None:
        if transfer.ticket.upload_id not in self._open:
            # The file was completed over HTTP, or its upload has ended; the client knows.
            return
        try:
            stored = await transfer.write(frame)
        except Exception as error:  # noqa: BLE001 - as above
            await transfer.abort()
            self._failed(transfer.session_id, error, upload_id=transfer.ticket.upload_id)
        else:
            if stored:
                self._completed(transfer, stored)

    def _completed(self, transfer: "_Transfer", stored: StoredFile) -> None:
        """Report the stored file once, whether it came over WebSocket or HTTP."""
        upload_id = transfer.ticket.upload_id
        if self._open.pop(upload_id, None):
            transfer.cancel_waits()
            self._send(frames.upload_complete(transfer.session_id, upload_id, stored))
            if transfer.begun:
                # The file came over HTTP: the bytes received here are not needed.
                self._add(transfer)

    def _failed(self, session_id: str, error: Exception, **details: str) -> None:
        if isinstance(error, MediaFailed):
            message, details["reason"] = error.message, error.code
        else:
            _log.error("upload failed", exc_info=error)
            message = "the upload failed; try again"
        self._send(frames.upload_failed(session_id, message, **details))

    async def _abandon(self, transfer: "_Transfer") -> None:
        self._open.pop(transfer.ticket.upload_id, None)
        transfer.cancel_waits()
        await transfer.abort()

    def _send(self, data: bytes) -> None:
        self._socket.apply([Send(data)])


class _Transfer:
    """A permitted upload.

    When a piece cannot be written, the following pieces are ignored until one with the sequence
    number 0 restarts the file.

    Attributes:
        unwatch: ends the wait for the file's arrival over HTTP.
        timer: of the ticket's expiry.
    """

    __slots__ = (
        "_caller",
        "_expected",
        "_uploads",
        "_writer",
        "session_id",
        "ticket",
        "timer",
        "unwatch",
    )

    def __init__(
        self, session_id: str, ticket: UploadTicket, uploads: Uploads, caller: Principal
    ) -> None:
        self.session_id = session_id
        self.ticket = ticket
        self.unwatch: Callable[[], None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self._uploads = uploads
        self._caller = caller
        self._writer: UploadWriter | None = None
        self._expected = 0

    @property
    def begun(self) -> bool:
        """Whether bytes are being written."""
        return self._writer is not None

    async def write(self, frame: BinaryFrame) -> StoredFile | None:
        """Write a piece; return the stored file after the last piece.

        Raises:
            MediaFailed: the piece is out of order, or cannot be stored.
        """
        if frame.sequence == 0:
            await self.abort()
            self._writer = await self._uploads.open(self.ticket.upload_id, self._caller)
            self._expected = 0
        if self._writer is None:
            return None
        if frame.sequence != self._expected:
            raise MediaFailed(
                MediaErrorCode.INPUT_INVALID,
                f"expected the piece with sequence {self._expected}, found {frame.sequence}; "
                "begin again with 0",
            )
        self._expected += 1
        await self._writer.write(frame.payload)
        if not frame.is_last:
            return None
        stored = await self._writer.finish()
        self._writer = None
        return stored

    async def abort(self) -> None:
        """Delete what was written."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            await writer.abort()
        except Exception:  # noqa: BLE001 - the upload has ended in any case
            _log.exception("upload not aborted", upload_id=self.ticket.upload_id)

    def cancel_waits(self) -> None:
        """Stop waiting for the file's arrival over HTTP, and for the ticket's expiry."""
        if self.unwatch:
            self.unwatch()
        if self.timer:
            self.timer.cancel()


class _Piece(Struct, frozen=True):
    transfer: _Transfer
    frame: BinaryFrame


# A transfer as a job is abandoned.
_Job: TypeAlias = UploadRequest | _Piece | _Transfer
