"""A MongoDB client with timeouts, retries and indexes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from pymongo import ASCENDING, AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    AutoReconnect,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)
from pymongo.uri_parser import parse_uri

from omnia_core.errors import ConfigurationError
from omnia_core.sessions.store import StoreUnavailable, WriteUnconfirmed

CONNECT_SECONDS = 2.0
COMMAND_SECONDS = 5.0
# Shorter than a command may take, so that the server gives up first.
CONFIRM_SECONDS = 3.0
# An index of a million sessions takes a while.
INDEX_SECONDS = 60.0
CONNECTIONS = 16
ATTEMPTS = 4
DEFAULT_DATABASE = "omnia"
_BACKOFF_SECONDS, _BACKOFF_CAP_SECONDS = 0.05, 0.5

Document: TypeAlias = dict[str, Any]
Documents: TypeAlias = AsyncCollection[Document]
_Result = TypeVar("_Result")

# The collections and the fields of their indexes. A change needs a higher number.
_VERSION = 3
_INDEXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("sessions", ("ended", "expires_at")),
    ("sessions", ("ended", "kept_until")),
    ("sessions", ("namespace", "session_id")),
    ("sessions", ("namespace", "begun_at", "_id")),
    ("sessions", ("namespace", "agent", "begun_at", "_id")),
    ("sessions", ("user_id", "begun_at", "_id")),
    ("messages", ("session", "from")),
    ("summaries", ("session", "position")),
    ("users", ("kept_until",)),
    ("users", ("user_id",)),
    ("users", ("namespace", "last_seen", "user_id")),
    ("users", ("namespace", "agent", "last_seen", "user_id")),
    ("daily_turns", ("namespace", "day")),
    ("daily_calls", ("namespace", "day")),
    ("eval_results", ("session", "number")),
    ("eval_results", ("namespace", "at")),
    ("replies", ("expires_at",)),
    ("signals", ("namespace", "agent")),
    ("eval_feed", ("namespace", "agent", "due_at")),
    ("eval_spend", ("namespace", "agent")),
)


class Collections:
    """The collections of a database.

    Those of `messages`, `replies` and `eval_results` confirm a write when a majority of the replica
    set has it. The others follow from them, or a later use writes them again: there the primary is
    enough.
    """

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """Bind the collections; nothing is sent."""
        majority = WriteConcern("majority", wtimeout=round(CONFIRM_SECONDS * 1000))

        def collection(name: str, confirmed: WriteConcern) -> Documents:
            return database.get_collection(
                name, read_preference=ReadPreference.PRIMARY, write_concern=confirmed
            )

        primary = WriteConcern(w=1)
        self.messages = collection("messages", majority)
        self.replies = collection("replies", majority)
        self.eval_results = collection("eval_results", majority)
        self.schema = collection("schema", majority)
        self.sessions = collection("sessions", primary)
        self.signals = collection("signals", primary)
        self.eval_feed = collection("eval_feed", primary)
        self.eval_spend = collection("eval_spend", primary)
        self.users = collection("users", primary)
        self.summaries = collection("summaries", primary)
        self.daily_turns = collection("daily_turns", primary)
        self.daily_calls = collection("daily_calls", primary)


class MongoConnection:
    """Runs idempotent commands: a retry may send one twice."""

    def __init__(self, url: str, command_seconds: float = COMMAND_SECONDS) -> None:
        """`command_seconds` limits one attempt, including the wait for a connection.

        Raises:
            ConfigurationError: `url` is not a MongoDB URL; the message does not contain it.
        """
        self._client = open_client(url)
        self._bound = Collections(self._client.get_default_database(DEFAULT_DATABASE))
        self._command_seconds = command_seconds
        self._opening = asyncio.Lock()
        self._collections: Collections | None = None
        self._closed = False

    async def run(self, work: Callable[[Collections], Awaitable[_Result]]) -> _Result:
        """Run commands and return their result; they are run again when a connection is lost.

        Raises:
            DuplicateKeyError: a document has the key already.
            WriteUnconfirmed: no majority of the replica set has confirmed the write in time.
            StoreUnavailable: the last attempt failed; the message names the type of the error.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(_backoff(attempt))
            try:
                collections = self._collections or await self._open()
                async with asyncio.timeout(self._command_seconds):
                    return await work(collections)
            except DuplicateKeyError:
                raise
            except WriteConcernError as error:
                raise WriteUnconfirmed("no majority of the replica set has it yet") from error
            except (OSError, PyMongoError) as error:
                if attempt == ATTEMPTS - 1 or not _is_transient(error):
                    raise StoreUnavailable(_name(error)) from error
        raise AssertionError

    async def close(self) -> None:
        """Close every connection."""
        self._closed = True
        self._collections = None
        await self._client.close()

    async def _open(self) -> Collections:
        async with self._opening:
            if self._closed:
                raise StoreUnavailable("it is closed")
            if self._collections is None:
                async with asyncio.timeout(INDEX_SECONDS):
                    await _make_indexes(self._bound)
                self._collections = self._bound
            return self._collections


def open_client(url: str) -> AsyncMongoClient[Document]:
    """Return a client that connects when it is first used.

    Raises:
        ConfigurationError: `url` is not a MongoDB URL; the message does not contain it.
    """
    try:
        if not url.startswith("mongodb+srv://"):
            # The client only warns of an option that it does not know.
            parse_uri(url, warn=False)
        return AsyncMongoClient(
            url,
            appname="omnia",
            maxPoolSize=CONNECTIONS,
            connectTimeoutMS=CONNECT_SECONDS * 1000,
            serverSelectionTimeoutMS=CONNECT_SECONDS * 1000,
            # `MongoConnection` repeats what it has to, also where the server is no replica set.
            retryWrites=False,
            retryReads=False,
            tz_aware=True,
        )
    except (PyMongoError, ValueError, TypeError):
        raise ConfigurationError(
            "the URL of the session store is invalid: "
            "expected mongodb://[user:password@]host[:port][,host…]/[database][?tls=true], "
            "or mongodb+srv://; other characters than letters and digits in user and password "
            "are percent-encoded"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            "a file that the URL of the session store names (tlsCAFile, tlsCertificateKeyFile) "
            f"cannot be read: {type(error).__name__}"
        ) from None


async def _make_indexes(collections: Collections) -> None:
    """Make the indexes. A database that has them is only read, which needs no permission."""
    found = await collections.schema.find_one({"_id": "indexes"})
    if found and found["version"] >= _VERSION:
        return
    # What makes an id free again when its session has ended.
    await collections.sessions.create_index([("open", ASCENDING)], unique=True)
    for name, fields in _INDEXES:
        documents: Documents = getattr(collections, name)
        await documents.create_index([(field, ASCENDING) for field in fields])
    version = {"$max": {"version": _VERSION}}
    try:
        await collections.schema.update_one({"_id": "indexes"}, version, upsert=True)
    except DuplicateKeyError:
        await collections.schema.update_one({"_id": "indexes"}, version)


def _is_transient(error: Exception) -> bool:
    """Whether another attempt may succeed at once: a lost connection, another primary."""
    given_up = (ServerSelectionTimeoutError, NetworkTimeout, ExecutionTimeout, TimeoutError)
    return isinstance(error, AutoReconnect | ConnectionFailure | OSError) and not isinstance(
        error, given_up
    )


def _name(error: Exception) -> str:
    """Return the type of an error and the server's code; its text may show what was stored."""
    code = error.code if isinstance(error, OperationFailure) else None
    return type(error).__name__ if code is None else f"{type(error).__name__} {code}"


def _backoff(attempt: int) -> float:
    longest = min(_BACKOFF_CAP_SECONDS, _BACKOFF_SECONDS * 2**attempt)
    return random.uniform(0, longest)  # noqa: S311 - jitter
