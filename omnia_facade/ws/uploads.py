"""Uploads over one WebSocket: tickets, and the bytes of files in binary frames."""

import asyncio
from collections import deque
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, TypeAlias

import structlog
from msgspec import Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.auth.principal import Principal
from omnia_facade.media.port import MediaFailed, StoredFile, UploadRequest, Uploads
from omnia_facade.ws import frames
from omnia_facade.ws.binary import BinaryFrame
from omnia_facade.ws.brake import Brake
from omnia_facade.ws.effects import Effect, Send
from omnia_facade.ws.messages import Refused
from omnia_facade.ws.transfer import Transfer

MAX_OPEN = 8
# What may wait to be written before the socket is not read any more, in bytes.
MAX_WAITING_BYTES = 1024 * 1024
# How long after the end of a ticket its file may still be told: it may be on its way to the disk.
LATE_SECONDS = 10.0

_log = structlog.get_logger()


class Client(Protocol):
    """The socket, as uploads see it."""

    def apply(self, todo: list[Effect]) -> None:
        """Send frames."""

    def brake(self, brake: Brake) -> None:
        """Stop reading."""

    def release(self, brake: Brake) -> None:
        """Read on."""


class _Piece(Struct, frozen=True):
    transfer: Transfer
    frame: BinaryFrame


# A `Transfer` by itself is given up.
_Job: TypeAlias = UploadRequest | _Piece | Transfer


class SocketUploads:
    """The uploads of one connection. A task exists only while there is something to do."""

    def __init__(
        self, uploads: Uploads, caller: Principal, client: Client, tasks: set[asyncio.Task[None]]
    ) -> None:
        """`tasks` keeps what is still to be done when the connection is gone."""
        self._uploads = uploads
        self._caller = caller
        self._client = client
        self._tasks = tasks
        self._open: dict[str, Transfer] = {}
        self._jobs: deque[_Job] = deque()
        self._requested = 0
        self._size = 0
        self._working = False
        self._closed = False

    def request(self, request: UploadRequest) -> None:
        """Ask for a ticket, and send it.

        Raises:
            Refused: too many uploads are open.
        """
        if len(self._open) + self._requested >= MAX_OPEN:
            raise Refused(
                ErrorCode.RATE_LIMITED,
                f"{MAX_OPEN} uploads are open already; request the next after an upload_complete",
            )
        self._requested += 1
        self._add(request)

    def receive(self, frame: BinaryFrame) -> None:
        """Take a piece of a file.

        Raises:
            Refused: it is a piece of no upload that this connection has requested.
        """
        upload_id = frame.metadata.upload_id
        if not upload_id:
            raise Refused(
                ErrorCode.INVALID_MESSAGE, 'an upload frame needs the metadata {"upload_id": …}'
            )
        transfer = self._open.get(upload_id)
        if transfer is None:
            raise Refused(
                ErrorCode.UPLOAD_FAILED,
                f'no upload "{upload_id[:64]}" is open on this connection; begin with an '
                "upload_request",
            )
        self._size += len(frame.payload)
        if self._size > MAX_WAITING_BYTES:
            self._client.brake(Brake.UPLOAD)
        self._add(_Piece(transfer, frame))

    def close(self) -> None:
        """Learn that the connection is gone; what was begun is aborted."""
        self._closed = True
        self._jobs = deque(each for each in self._jobs if isinstance(each, Transfer))
        for transfer in self._open.values():
            transfer.forget()
            if transfer.begun:
                self._add(transfer)

    def _add(self, job: _Job) -> None:
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
                case Transfer() as transfer:
                    await self._give_up(transfer)
                case _Piece(transfer, frame):
                    await self._take(transfer, frame)
                    self._size -= len(frame.payload)
                    if self._size <= MAX_WAITING_BYTES:
                        self._client.release(Brake.UPLOAD)
        if self._closed:
            for transfer in self._open.values():
                await transfer.abort()
        self._working = False

    async def _request(self, request: UploadRequest) -> None:
        try:
            ticket = await self._uploads.request(request, self._caller)
        except Exception as error:  # noqa: BLE001 - the client is told, and may try again
            self._failed(request.session_id, error, filename=request.filename)
            return
        finally:
            self._requested -= 1
        if self._closed:
            return
        transfer = Transfer(request.session_id, ticket, self._uploads, self._caller)
        self._open[ticket.upload_id] = transfer
        transfer.unwatch = self._uploads.watch(ticket.upload_id, partial(self._completed, transfer))
        left = datetime.fromisoformat(ticket.expires_at) - datetime.now(UTC)
        transfer.timer = asyncio.get_running_loop().call_later(
            left.total_seconds() + LATE_SECONDS, self._add, transfer
        )
        self._send(frames.upload_ready(request.session_id, ticket))

    async def _take(self, transfer: Transfer, frame: BinaryFrame) -> None:
        if transfer.ticket.upload_id not in self._open:
            # It was completed by another way, or is over, and the client is told.
            return
        try:
            stored = await transfer.take(frame)
        except Exception as error:  # noqa: BLE001 - as above
            await transfer.abort()
            self._failed(transfer.session_id, error, upload_id=transfer.ticket.upload_id)
        else:
            if stored:
                self._completed(transfer, stored)

    def _completed(self, transfer: Transfer, stored: StoredFile) -> None:
        """Tell the client once, whichever way the bytes came."""
        upload_id = transfer.ticket.upload_id
        if self._open.pop(upload_id, None):
            transfer.forget()
            self._send(frames.upload_complete(transfer.session_id, upload_id, stored))
            if transfer.begun:
                # What came of it here too is of no use to anybody.
                self._add(transfer)

    def _failed(self, session_id: str, error: Exception, **details: str) -> None:
        if isinstance(error, MediaFailed):
            message, details["reason"] = error.message, error.code
        else:
            _log.error("upload failed", exc_info=error)
            message = "the upload failed; try again"
        self._send(frames.upload_failed(session_id, message, **details))

    async def _give_up(self, transfer: Transfer) -> None:
        self._open.pop(transfer.ticket.upload_id, None)
        transfer.forget()
        await transfer.abort()

    def _send(self, data: bytes) -> None:
        self._client.apply([Send(data)])
