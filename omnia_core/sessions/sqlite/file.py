"""An SQLite file of several processes: its connection in a thread, its transactions, its errors."""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from omnia_core.errors import ConfigurationError
from omnia_core.sessions.sqlite.migrations import UnknownFile, check_version, migrate
from omnia_core.sessions.sqlite.moments import after
from omnia_core.sessions.store import StoreUnavailable

# How long a transaction waits for those of other programs.
BUSY_SECONDS = 5.0
# The time limit of a transaction, with its wait for others of this program.
TRANSACTION_SECONDS = 10.0
# STRICT tables.
MIN_VERSION = (3, 37)
# How long after a transaction the disk has it, at most.
SYNC_SECONDS = 1.0
# Size of the write-ahead log from which on it is copied into the file.
LOG_BYTES = 4 << 20
# How long the copy waits for readers.
_COPY_SECONDS = 0.5
_OPEN_PAUSE_SECONDS = 0.02

_log = structlog.get_logger()

_T = TypeVar("_T")
Work = Callable[[sqlite3.Connection], _T]

_REMEDIES = {
    "SQLITE_FULL": "the disk is full; free some space",
    "SQLITE_READONLY": "the file or its folder is read-only",
    "SQLITE_CANTOPEN": "the file cannot be opened or created; check its folder and permissions",
    "SQLITE_PERM": "the file may not be used by this user",
    "SQLITE_BUSY": "another program has locked it for too long",
    "SQLITE_NOTADB": "it is not an SQLite file",
    "SQLITE_CORRUPT": "the file is damaged; restore a copy, or move it away to begin another one",
    "SQLITE_IOERR": "the disk does not read or write",
}


class SqliteFile:
    """Runs transactions on a file, one at a time.

    The write-ahead log is copied into the file here and not by SQLite: with the writers' lock,
    because versions before 3.51.3 may damage a file when a copy runs beside a commit that begins
    the log anew (https://www.sqlite.org/wal.html, "The WAL-Reset Bug").
    """

    def __init__(
        self,
        path: Path,
        busy_seconds: float = BUSY_SECONDS,
        sync: Callable[[int], None] = os.fsync,
    ) -> None:
        """Open nothing yet.

        Args:
            path: the file.
            busy_seconds: limits the wait for other programs.
            sync: writes what an open file has in memory to the disk.

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
        self._sync_timer: asyncio.TimerHandle | None = None
        self._name, self._log = str(path), f"{path}-wal"
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._copy_at = LOG_BYTES
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sessions")

    async def run(self, work: Work[_T], *, durable: bool) -> _T:
        """Run `work` in a transaction that holds the writers' lock, and commit it.

        Args:
            work: executes statements; nothing of it is kept when it raises.
            durable: whether the disk is to have it within `SYNC_SECONDS`. Until then a loss of
                power may undo it, though not the end of a process.

        Raises:
            StoreUnavailable: the file cannot be used; the message says why.
        """
        if self._closed:
            raise StoreUnavailable("it is closed")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TRANSACTION_SECONDS):
                result = await loop.run_in_executor(self._thread, self._transaction, work)
        except TimeoutError as error:
            raise StoreUnavailable("TimeoutError") from error
        if durable and self._sync_timer is None:
            self._sync_timer = loop.call_later(SYNC_SECONDS, self._start_sync)
        return result

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

    def _transaction(self, work: Work[_T]) -> _T:
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._copy_log(connection)
        except (sqlite3.Error, OSError, UnknownFile) as error:
            reason = explain(error)
            if not reason.startswith("SQLITE_BUSY"):
                self._disconnect()
            raise StoreUnavailable(reason) from error
        except (ValueError, TypeError) as error:
            # Such as half of a surrogate pair, which is not text, or a damaged time.
            raise StoreUnavailable(type(error).__name__) from error
        return result

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and self._identity != _identity(self._name):
            # The file was deleted or replaced: what is written there would be lost.
            self._disconnect()
        if self._connection is None:
            self._connection = connect(self._path, self._busy_seconds)
            self._identity = _identity(self._name)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _copy_log(self, connection: sqlite3.Connection) -> None:
        # A failure changes nothing of what is committed.
        with contextlib.suppress(sqlite3.Error, OSError):
            size = os.stat(self._log).st_size  # noqa: PTH116 - half the time of Path.stat
            if size < self._copy_at:
                return
            # A reader may be in the way, and other writers wait meanwhile: try again later.
            self._copy_at = size + LOG_BYTES
            _limit_waits(connection, _COPY_SECONDS)
            (failed, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not failed:
                self._copy_at = LOG_BYTES
            _limit_waits(connection, self._busy_seconds)


def connect(path: Path, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open a file, create it if it does not exist, and bring its tables up to date.

    Raises:
        sqlite3.Error, OSError, UnknownFile: it cannot be used; `explain` says why.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Never open a file that exists: closing it would drop the locks that SQLite has on it in this
    # process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            return _configured(path, busy_seconds)
        except sqlite3.OperationalError as error:
            # SQLite does not wait while another program changes the mode of a new file.
            if not explain(error).startswith("SQLITE_BUSY") or time.monotonic() >= deadline:
                raise
            time.sleep(_OPEN_PAUSE_SECONDS)


def prepare(path: Path) -> None:
    """Check that a file can be written, and create or migrate it.

    Raises:
        ConfigurationError: it cannot; the message says why.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = connect(path)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {check_version(connection)}")
        connection.execute("COMMIT")
    except (sqlite3.Error, OSError, UnknownFile) as error:
        raise ConfigurationError(
            f"the sessions in {path} cannot be used: {explain(error)}"
        ) from error
    finally:
        if connection is not None:
            connection.close()


def explain(error: Exception) -> str:
    """Return what is wrong with a file: the name of SQLite's error, and what to do."""
    if isinstance(error, UnknownFile):
        return str(error)
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error.strerror}"
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    for known, remedy in _REMEDIES.items():
        if name.startswith(known):
            return f"{name}: {remedy}"
    return f"{name}: {error}"


def _configured(path: Path, busy_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
    try:
        # Before anything is written: the file may be another program's.
        _ = check_version(connection)
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        for pragma in _PRAGMAS:
            connection.execute(pragma).fetchall()
        connection.create_function("after", 2, after, deterministic=True)
        connection.create_function("added", 2, added, deterministic=True)
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


_PRAGMAS = (
    # The disk gets the log within a second (`SYNC_SECONDS`), and not with each transaction.
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA foreign_keys = ON",
    # Deleted conversations do not stay in free pages of the file.
    "PRAGMA secure_delete = ON",
    # A pod may have no other folder to write to.
    "PRAGMA temp_store = MEMORY",
)


def added(one: str, other: str) -> str:
    """Add up two JSON arrays of numbers, element by element."""
    pairs = zip(msgspec.json.decode(one), msgspec.json.decode(other), strict=True)
    return msgspec.json.encode([first + second for first, second in pairs]).decode()


def _limit_waits(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}").fetchall()


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116 - half the time of Path.stat
    except FileNotFoundError:
        return 0, 0
    return status.st_dev, status.st_ino
