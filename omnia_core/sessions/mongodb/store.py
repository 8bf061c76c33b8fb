"""The session store in MongoDB: sessions survive restarts of pods and the loss of a server.

An append is one document, which is inserted or not: that needs no transaction. What follows from it
is written after it; if that fails, the next use of the session does it.
"""

import contextlib
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import date, timedelta
from functools import partial

import structlog
from msgspec import Struct
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from omnia_core.sessions.audit import AuditTrail, ProviderCall
from omnia_core.sessions.escaping import replace_nul, unescape_nul
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.feed import is_answered
from omnia_core.sessions.mongodb import documents
from omnia_core.sessions.mongodb.client import (
    COMMAND_SECONDS,
    Collections,
    Document,
    MongoConnection,
)
from omnia_core.sessions.mongodb.consequences import Consequences
from omnia_core.sessions.mongodb.evaluations import MongoEvalResults
from omnia_core.sessions.mongodb.feed import MongoFeed
from omnia_core.sessions.mongodb.own import MongoOwnSessions
from omnia_core.sessions.mongodb.retention import MongoRetention, end_named, trial_effects
from omnia_core.sessions.mongodb.signals import MongoSignals
from omnia_core.sessions.mongodb.trails import decode_trail, find_trails
from omnia_core.sessions.recorded import RecordedSession
from omnia_core.sessions.records import DeletedMessages, Message, Session
from omnia_core.sessions.retention import RetentionEffects
from omnia_core.sessions.store import (
    SessionConflict,
    SessionSettings,
    SessionStore,
    StoreUnavailable,
)
from omnia_core.sessions.sweeping import (
    SWEEP_BATCH,
    SWEEP_SECONDS,
    RetentionWorker,
    retention_terms,
)
from omnia_core.sessions.trail import SessionTrail

# How often an operation begins again because another one changed the session.
_TRIES = 5
_BUSY = "other writers changed the session all the time"

_log = structlog.get_logger()


class MongoTimings(Struct, frozen=True, kw_only=True):
    """Timeouts and intervals of the store.

    Attributes:
        command_seconds: limits one attempt of a command.
        sweep_seconds: between two batches of deletions.
        sweep_batch: how many sessions one batch deletes at most.
    """

    command_seconds: float = COMMAND_SECONDS
    sweep_seconds: float = SWEEP_SECONDS
    sweep_batch: int = SWEEP_BATCH


class MongoSessionStore(SessionStore):
    """Keeps sessions in the collections of a database, whose indexes it makes.

    Expired sessions are deleted in the background after appends, one batch a minute; while batches
    are full, one with each append. With a retention policy also once an hour.
    """

    keeps_audit = True

    def __init__(
        self, url: str, settings: SessionSettings, timings: MongoTimings | None = None
    ) -> None:
        """Create a store that connects when it is first used.

        Raises:
            ConfigurationError: `url` is not a MongoDB URL; the message does not contain it.
        """
        timings = timings or MongoTimings()
        retention = settings.retention
        self._connection = MongoConnection(url, timings.command_seconds)
        self._terms = retention_terms(settings.ttl, retention)
        self._bounded = retention is not None and retention.bounds_anything
        self._on_retention = settings.on_retention
        self._owner = documents.Owner(settings.namespace, settings.agent)
        self._signals = MongoSignals(self._connection, settings.namespace, settings.agent)
        self._own = MongoOwnSessions(self._connection, self._owner)
        self._feed = MongoFeed(self._connection, self._owner) if settings.evaluated else None
        self._consequences = Consequences(self._connection, self._terms, settings.on_retention)
        self._results = MongoEvalResults(self._connection, self._owner)
        self._worker = RetentionWorker(
            MongoRetention(self._connection, self._owner, self._terms),
            self._terms,
            settings.on_retention,
            seconds=timings.sweep_seconds,
            batch=timings.sweep_batch,
        )

    @property
    def signals(self) -> MongoSignals:
        return self._signals

    @property
    def feed(self) -> MongoFeed | None:
        return self._feed

    @property
    def own(self) -> MongoOwnSessions:
        return self._own

    def start(self) -> None:
        if self._bounded:
            self._worker.start()

    async def load(self, session_id: str) -> Session | None:
        found = await self._loaded(session_id, self._use)
        return found[0] if found else None

    async def read(self, session_id: str) -> RecordedSession | None:
        found = await self._loaded(session_id, self._open_session, "turn", "trail")
        return documents.recorded(*found) if found else None

    async def trail(self, session_id: str, last: int) -> SessionTrail | None:
        session = await self._open_session(session_id)
        if session is None or not session["length"]:
            return None
        found = await self._connection.run(partial(find_trails, session=session, last=last))
        return decode_trail(session, found)

    async def _loaded(
        self, session_id: str, find: Callable[[str], Awaitable[Document | None]], *more: str
    ) -> tuple[Session, list[Document]] | None:
        """Return a session, which `find` finds, and the appends of its kept messages.

        `more` are further fields of the appends.
        """
        for _ in range(_TRIES):
            session = await find(session_id)
            if session is None:
                return None
            appends = await self._appends(session, more)
            if not appends:
                return None
            if appends[-1]["to"] > session["length"]:
                await self._consequences.heal(session)
            await self._consequences.delete_messages(session)
            loaded = _session(session_id, session, appends)
            if loaded.length == appends[-1]["to"]:
                return loaded, appends
            # Another append has deleted messages since the session was read.
        raise StoreUnavailable(_BUSY)

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        audit: AuditTrail | None = None,
    ) -> int:
        session = await self._open(session_id, expected_length)
        if session and session["length"] < expected_length:
            session = await self._consequences.heal(session)
        length: int = session["length"] if session else 0
        if session is None or length != expected_length:
            raise SessionConflict(session_id, expected_length, length)
        if not messages:
            return length
        document = documents.append_document(
            session, messages, audit, writer=uuid.uuid4().hex, time=documents.now()
        )
        answered = is_answered(messages)
        # A turn is noted before its first append, and when it has an answer: a pod may die between.
        if self._feed and not (answered and expected_length):
            await self._feed.note(session_id, answered=False)
        await self._insert(session_id, documents.checked(document))
        await self._follow(session_id, session, document)
        if self._feed and answered:
            with contextlib.suppress(StoreUnavailable):
                await self._feed.note(session_id, answered=True)
        self._worker.sweep.start_when_due()
        return length + len(messages)

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        checkpoint = {"length": expected_length, **documents.encode_messages(messages)}
        fields = {"checkpoint": documents.checked(checkpoint)}
        # A session of the length 0 has not begun.
        wanted = {"length": expected_length or -1}
        if await self._use(session_id, wanted, fields):
            return
        session = await self._use(session_id)
        if session and session["length"] < expected_length:
            # What follows from the append before was not written.
            await self._consequences.heal(session)
            await self._use(session_id, wanted, fields)

    async def rename(
        self,
        session_id: str,
        name: str,
        *,
        expected_name: str,
        audit: AuditTrail | None = None,
    ) -> bool:
        time, new, expected = documents.now(), *map(replace_nul, (name, expected_name))
        session = await self._open_session(session_id)
        if session is None or not session["length"]:
            return False
        given = session.get("name_given", False)
        if session["name"] != expected and session["name"] == new and not given:
            return True
        naming = documents.naming_document(
            session, audit or AuditTrail(), writer=uuid.uuid4().hex, time=time
        )
        if audit:
            with contextlib.suppress(DuplicateKeyError):
                await self._connection.run(partial(_insert_append, naming))
        return await self._consequences.name(session, naming, new, expected)

    async def add_eval_results(
        self, results: Sequence[EvalResult], calls: Sequence[ProviderCall] = ()
    ) -> int:
        return await self._results.add(results, calls)

    async def eval_results(self, session_id: str) -> list[EvalResult]:
        return await self._results.of(session_id)

    async def spent(self, first: date, providers: Collection[str] = ()) -> float:
        return await self._results.spent(first, providers)

    async def close(self) -> None:
        await self._worker.close()
        await self._connection.close()

    async def _use(
        self, session_id: str, more: Document | None = None, fields: Document | None = None
    ) -> Document | None:
        """Renew a session that has not ended, and return it as it was before.

        `more` adds to the filter, `fields` to the update.
        """
        time = documents.now()
        wanted = {
            "open": self._owner.open_name(session_id),
            "expires_at": {"$gt": time},
            **(more or {}),
        }

        async def use(collections: Collections) -> Document | None:
            keep = self._terms.keep
            if keep is None:
                found = await collections.sessions.find_one(wanted)
                if found is None:
                    return None
                keep = found["kept_until"] - found["used_at"]
            renewed = documents.stamps(time, self._terms.ttl, keep) | (fields or {})
            return await collections.sessions.find_one_and_update(
                wanted, {"$set": renewed}, return_document=ReturnDocument.BEFORE
            )

        session = await self._connection.run(use)
        if session:
            stage = documents.trial_stage(session, self._terms, time)
            self._report(trial_effects(session["trial_stage"], stage))
        return session

    async def _open_session(self, session_id: str) -> Document | None:
        """Return a session that has not ended, as it is."""
        name = self._owner.open_name(session_id)
        wanted = {"open": name, "expires_at": {"$gt": documents.now()}}
        return await self._connection.run(lambda found: found.sessions.find_one(wanted))

    async def _open(self, session_id: str, expected_length: int) -> Document | None:
        """Return the session to append to; None when it has ended and cannot be continued."""
        for _ in range(_TRIES):
            if session := await self._use(session_id):
                return session
            time = documents.now()
            new = documents.new_session(self._owner, session_id, time) | documents.stamps(
                time, self._terms.ttl, self._terms.keep or timedelta()
            )
            if not expected_length:
                with contextlib.suppress(DuplicateKeyError):
                    await self._connection.run(partial(_insert_session, new))
                    return new
            # One that has expired keeps its name until it is ended, if another writer has not
            # just begun the session.
            ended, deleted = await self._connection.run(
                partial(end_named, name=new["open"], time=time)
            )
            self._report(RetentionEffects(ended, deleted))
            if expected_length:
                return None
        raise StoreUnavailable(_BUSY)

    def _report(self, effects: RetentionEffects) -> None:
        if effects:
            self._on_retention(effects)

    async def _appends(self, session: Document, more: Sequence[str]) -> list[Document]:
        """Return the appends of which messages are kept, in order."""

        async def find(collections: Collections) -> list[Document]:
            return await (
                collections.messages.find(
                    {"session": session["_id"], "to": {"$gt": session["first"]}},
                    ["messages", "has_nul", "to", *more],
                )
                .sort("from", 1)
                .to_list()
            )

        return await self._connection.run(find)

    async def _insert(self, session_id: str, append: Document) -> None:
        """Insert an append, which is there or not when this returns or raises a conflict."""
        try:
            await self._connection.run(partial(_insert_append, append))
        except DuplicateKeyError:
            found = await self._connection.run(partial(_find_append, append))
            # The answer to the first attempt may have been lost.
            if found is None or found["writer"] != append["writer"]:
                length = found["to"] if found else append["from"]
                raise SessionConflict(session_id, append["from"], length) from None

    async def _follow(self, session_id: str, session: Document, append: Document) -> None:
        """Write what follows from an append, which is stored whatever happens here."""
        try:
            followed = await self._consequences.write(session, append)
            if followed is None:
                # It expired while this was written, so the messages could not be found.
                await self._connection.run(partial(_delete_append, append))
        except StoreUnavailable as error:
            _log.warning(
                "an append is incomplete; the next use of the session completes it",
                reason=error.message,
            )
            return
        if followed is None:
            raise SessionConflict(session_id, append["from"], 0)


async def _insert_session(session: Document, collections: Collections) -> None:
    await collections.sessions.insert_one(session)


async def _insert_append(append: Document, collections: Collections) -> None:
    await collections.messages.insert_one(append)


async def _find_append(append: Document, collections: Collections) -> Document | None:
    return await collections.messages.find_one({"_id": append["_id"]}, {"writer": 1, "to": 1})


async def _delete_append(append: Document, collections: Collections) -> None:
    await collections.messages.delete_many({"_id": append["_id"], "writer": append["writer"]})


def _session(session_id: str, session: Document, appends: Sequence[Document]) -> Session:
    messages: list[Message] = []
    first: int = session["first"]
    for append in appends:
        found = documents.decode_messages(append)
        messages += found[max(first - (append["to"] - len(found)), 0) :]
    checkpoint = session.get("checkpoint")
    if checkpoint and checkpoint["length"] != appends[-1]["to"]:
        checkpoint = None
    return Session(
        session_id,
        tuple(messages),
        tuple(documents.decode_messages(checkpoint)) if checkpoint else (),
        DeletedMessages(
            first,
            session["first_turn"],
            unescape_nul(session["pack_version"]),
            unescape_nul(session["user_id"]),
        )
        if first
        else None,
        session["name"],
        session.get("name_given", False),
    )
