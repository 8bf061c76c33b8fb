"""The bytes of one file, in the order of their frames."""

import asyncio
from collections.abc import Callable

import structlog

from omnia_facade.auth.principal import Principal
from omnia_facade.media.port import (
    MediaErrorCode,
    MediaFailed,
    StoredFile,
    Uploads,
    UploadTicket,
    UploadWriter,
)
from omnia_facade.ws.binary import BinaryFrame

_log = structlog.get_logger()


class Transfer:
    """An upload that is permitted.

    After a piece that could not be taken the others are ignored, until one with the sequence
    number 0 begins anew.

    Attributes:
        unwatch: ends the wait for the file's coming by another way.
        timer: of the ticket's end.
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

    async def take(self, frame: BinaryFrame) -> StoredFile | None:
        """Write a piece; return the file when this was the last.

        Raises:
            MediaFailed: it is out of order, or cannot be kept.
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
        """Forget what was written."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            await writer.abort()
        except Exception:  # noqa: BLE001 - it is forgotten all the same
            _log.exception("upload not aborted", upload_id=self.ticket.upload_id)

    def forget(self) -> None:
        """Wait no longer."""
        if self.unwatch:
            self.unwatch()
        if self.timer:
            self.timer.cancel()
