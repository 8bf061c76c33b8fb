"""An SQLite file of several processes: its transactions, and the log of its writes."""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from omnia_core.errors import ConfigurationError
from omnia_core.sessions.sqlite.connection import BUSY_SECONDS, connect, explain, is_busy
from omnia_core.sessions.sqlite.migrations import UnknownFile
from omnia_core.sessions.store import StoreUnavailable

# The time limit of a transaction in the thread, with its wait for others of this program.
TRANSACTION_SECONDS = 10.0
# STRICT tables.
MIN_VERSION = (3, 37)
# How long after a transaction the disk has it, at most.
SYNC_SECONDS = 1.0
# Size of the write-ahead log from which on it is copied into the file.
LOG_BYTES = 16 << 20
# A disk that keeps the event loop waiting this long is left to the thread for a while.
SLOW_SECONDS, SLOW_PAUSE_SECONDS = 1.0, 10.0
# How long the copy waits for readers.
_COPY_SECONDS = 0.5

_log = structlog.get_logger()

_T = TypeVar("_T")
Work = Callable[[sqlite3.Connection], _T]

_BEGIN = "BEGIN IMMEDIATE"


class SqliteFile:
    """Runs transactions on a file, one at a time.

    A transaction takes less time than handing it to a thread, so it runs on the event loop, where
    it waits for nothing: what finds the file locked by another program, or not open yet, runs in
    the thread, as does what takes long.

    The write-ahead log is copied into the file here and not by SQLite: with the writers' lock,
    because versions before 3.51.3 may damage a file when a copy runs beside a commit that begins
    the log anew (https://www.sqlite.org/wal.html, "The WAL-Reset Bug").
    """

    def __init__(
        self,
        path: Path,
        busy_seconds: float = BUSY_SECONDS,
        sync: Callable[[int], None] = os.fsync,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet.

        Args:
            path: the file.
            busy_seconds: limits the wait for other programs.
            sync: writes what an open file has in memory to the disk.
            clock: returns monotonic seconds.

        Raises:
            ConfigurationError: the SQLite of this Python is too old.
        """
        if sqlite3.sqlite_version_info < MIN_VERSION:
            raise ConfigurationError(
                f"sessions in a file need SQLite {'.'.join(map(str, MIN_VERSION))} or later, and"
                f" this Python has {sqlite3.sqlite_version}: use a newer Python"
            )
        self._path = path
        self._busy_seconds = busy_seconds
        self._sync = sync
        self._clock = clock
        self._sync_timer: asyncio.TimerHandle | None = None
        self._name, self._log = str(path), f"{path}-wal"
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._copy_at = LOG_BYTES
        self._slow_until = 0.0
        self._jobs: list[Future[Any]] = []
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sessions")

    async def run(self, work: Work[_T], *, durable: bool, is_long: bool = False) -> _T:
        """Run `work` in a transaction that holds the writers' lock, and commit it.

        Args:
            work: executes statements; nothing of it is kept when it raises. It may run twice, and
                only the second time counts.
            durable: whether the disk is to have it within `SYNC_SECONDS`. Until then a loss of
                power may undo it, though not the end of a process.
            is_long: whether it takes more than a moment.

        Raises:
            StoreUnavailable: the file cannot be used; the message says why.
        """
        result = await self._run(_BEGIN, work, is_long=is_long)
        size = self._log_size()
        if size >= self._copy_at and not self._closed:
            # A reader may be in the way, and other writers wait meanwhile: try again later.
            self._copy_at = size + LOG_BYTES
            with contextlib.suppress(StoreUnavailable):
                await self._run_in_thread(self._copy_log)
        if durable and self._sync_timer is None:
            loop = asyncio.get_running_loop()
            self._sync_timer = loop.call_later(SYNC_SECONDS, self._start_sync)
        return result

    async def read(self, work: Work[_T]) -> _T:
        """Run `work`, a single statement that writes nothing.

        Raises:
            StoreUnavailable: as `run`.
        """
        return await self._run(None, work, is_long=False)

    async def close(self) -> None:
        """Close the file after the transactions in progress."""
        if not self._closed:
            self._closed = True
            if self._sync_timer is not None:
                self._sync_timer.cancel()
                self._thread.submit(self._sync_log)
            closing = asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
            # A disk that does not answer must not keep the program from ending.
            await asyncio.wait({closing}, timeout=TRANSACTION_SECONDS)
            self._thread.shutdown(wait=False)

    async def _run(self, begin: str | None, work: Work[_T], *, is_long: bool) -> _T:
        if self._closed:
            raise StoreUnavailable("it is closed")
        if not is_long and (connection := self._free_connection()) is not None:
            began = self._clock()
            try:
                return self._transaction(connection, begin, work)
            except StoreUnavailable as error:
                if not is_busy(error.__cause__):
                    raise
            finally:
                if self._clock() - began > SLOW_SECONDS:
                    self._slow_until = self._clock() + SLOW_PAUSE_SECONDS
        return await self._run_in_thread(partial(self._waiting_transaction, begin, work))

    def _free_connection(self) -> sqlite3.Connection | None:
        """Return the connection if the event loop may use it."""
        if self._jobs:
            self._jobs = [job for job in self._jobs if not job.done()]
        if self._jobs or self._identity != _identity(self._name):
            return None
        return self._connection if self._clock() >= self._slow_until else None

    async def _run_in_thread(self, work: Callable[[], _T]) -> _T:
        job = self._thread.submit(work)
        self._jobs.append(job)
        try:
            async with asyncio.timeout(TRANSACTION_SECONDS):
                return await asyncio.wrap_future(job)
        except TimeoutError as error:
            raise StoreUnavailable("TimeoutError") from error

    def _waiting_transaction(self, begin: str | None, work: Work[_T]) -> _T:
        """Run a transaction that waits for other programs."""
        try:
            return self._transaction(None, begin, work)
        finally:
            self._limit_waits(0)

    def _transaction(
        self, connection: sqlite3.Connection | None, begin: str | None, work: Work[_T]
    ) -> _T:
        try:
            connection = connection or self._waiting_connection()
            if begin is None:
                return work(connection)
            connection.execute(begin)
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError, UnknownFile) as error:
            if not is_busy(error):
                self._disconnect()
            raise StoreUnavailable(explain(error)) from error
        except (ValueError, TypeError) as error:
            # Such as half of a surrogate pair, which is not text, or a damaged time.
            raise StoreUnavailable(type(error).__name__) from error
        return result

    def _waiting_connection(self) -> sqlite3.Connection:
        if self._connection is not None and self._identity != _identity(self._name):
            # The file was deleted or replaced: further writes to it would be lost.
            self._disconnect()
        if self._connection is None:
            self._connection = connect(self._path, self._busy_seconds)
            self._identity = _identity(self._name)
        self._limit_waits(self._busy_seconds)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _limit_waits(self, seconds: float) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    def _log_size(self) -> int:
        try:
            return os.stat(self._log).st_size  # noqa: PTH116 - half the time of Path.stat
        except OSError:
            return 0

    def _copy_log(self) -> None:
        """Copy the log into the file. A failure changes nothing of what is committed."""
        if self._connection is None:
            return
        self._limit_waits(_COPY_SECONDS)
        with contextlib.suppress(sqlite3.Error):
            copied = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if copied[0] == 0:
                self._copy_at = LOG_BYTES
        self._limit_waits(0)

    def _start_sync(self) -> None:
        self._sync_timer = None
        self._thread.submit(self._sync_log)

    def _sync_log(self) -> None:
        # Another descriptor of the log will do: it is the file that the disk gets.
        try:
            descriptor = os.open(self._log, os.O_RDONLY)
            try:
                self._sync(descriptor)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            pass  # It was copied into the file, which SQLite has written to the disk.
        except OSError as error:
            _log.warning("sessions may not be on the disk yet", reason=error.strerror)


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116 - half the time of Path.stat
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino
