"""Connections to an SQLite file: they make it, bring its tables up to date, and explain errors."""

import contextlib
import os
import sqlite3
import time
from pathlib import Path

import msgspec

from omnia_core.errors import ConfigurationError
from omnia_core.sessions.sqlite.migrations import UnknownFile, check_version, migrate
from omnia_core.sessions.sqlite.moments import after

# How long a transaction waits for those of other programs.
BUSY_SECONDS = 5.0
_OPEN_PAUSE_SECONDS = 0.02

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
            if not is_busy(error) or time.monotonic() >= deadline:
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
    # Used by one thread at a time, though not always by the same one.
    connection = sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
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


def is_busy(error: BaseException | None) -> bool:
    """Whether another program has locked the file."""
    return getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
