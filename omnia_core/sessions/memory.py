"""Sessions in the memory of one process: lost when it ends, invisible to other pods."""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from msgspec import structs

from omnia_core.sessions.audit import AuditTrail, ProviderCall
from omnia_core.sessions.daily import COSTS_KEPT
from omnia_core.sessions.evaluations import MOST_RESULTS, EvalResult, in_order
from omnia_core.sessions.feed import is_answered
from omnia_core.sessions.first_message import first_message
from omnia_core.sessions.memory_feed import MemoryFeed
from omnia_core.sessions.own import ListedSession, ListPlace, OwnSessions
from omnia_core.sessions.recorded import RecordedSession
from omnia_core.sessions.records import DeletedMessages, Message, Session
from omnia_core.sessions.retention import (
    EffectsCallback,
    Retention,
    RetentionEffects,
    first_kept,
    ignore_effects,
)
from omnia_core.sessions.store import SessionConflict, SessionStore
from omnia_core.units import Duration


@dataclass(slots=True)
class _Entry:
    session: Session
    expires_at: float
    begun_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    active_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    trial_first: int = 0
    """The position of the first message that a dry-run policy would have kept."""
    results: dict[str, EvalResult] = field(default_factory=dict)


class MemorySessionStore(SessionStore, OwnSessions):
    """Keeps sessions ordered by their last use, so that expiring them is cheap."""

    def __init__(
        self,
        ttl: Duration,
        *,
        retention: Retention | None = None,
        on_retention: EffectsCallback = ignore_effects,
        evaluated: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` returns monotonic seconds; for the others see `SessionSettings`."""
        self._ttl = ttl.seconds
        self._retention = retention or Retention()
        self._trial_ttl = self._retention.bounded(ttl).seconds
        self._on_retention = on_retention
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._costs: defaultdict[tuple[date, str], float] = defaultdict(float)
        self._feed = MemoryFeed(clock) if evaluated else None

    @property
    def feed(self) -> MemoryFeed | None:
        return self._feed

    @property
    def own(self) -> OwnSessions:
        return self

    async def load(self, session_id: str) -> Session | None:
        entry = self._touch(session_id)
        return entry.session if entry else None

    async def read(self, session_id: str) -> RecordedSession | None:
        self._end_expired()
        entry = self._entries.get(session_id)
        return RecordedSession(entry.session) if entry else None

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        audit: AuditTrail | None = None,
    ) -> int:
        entry = self._touch(session_id) or _Entry(Session(session_id), 0)
        known = entry.session
        if known.length != expected_length:
            raise SessionConflict(session_id, expected_length, known.length)
        grown = structs.replace(known, messages=(*known.messages, *messages), interrupted=())
        # The first append is one turn, even if a function called its model twice: it stays whole.
        entry.session = self._trimmed(entry, grown) if expected_length else grown
        entry.expires_at = self._clock() + self._ttl
        entry.active_at = datetime.now(UTC)
        self._entries[session_id] = entry
        if audit:
            await self.add_costs(audit.provider_calls)
        if self._feed:
            self._feed.note(session_id, answered=is_answered(messages))
        return grown.length

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        entry = self._touch(session_id)
        if entry and entry.session.length == expected_length:
            entry.session = structs.replace(entry.session, interrupted=tuple(messages))

    async def rename(
        self,
        session_id: str,
        name: str,
        *,
        expected_name: str,
        audit: AuditTrail | None = None,
    ) -> bool:
        if audit:
            await self.add_costs(audit.provider_calls)
        self._end_expired()
        entry = self._entries.get(session_id)
        if entry is None or entry.session.name != expected_name or entry.session.name_given:
            return False
        entry.session = structs.replace(entry.session, name=name)
        return True

    async def give_name(self, session_id: str, name: str) -> bool:
        self._end_expired()
        entry = self._entries.get(session_id)
        if entry is None:
            return False
        entry.session = structs.replace(entry.session, name=name, name_given=True)
        return True

    async def end(self, session_id: str) -> bool:
        self._end_expired()
        return self._entries.pop(session_id, None) is not None

    async def of_user(self, user_id: str, limit: int, after: ListPlace) -> list[ListedSession]:
        now, today = self._end_expired(), datetime.now(UTC)
        place = (after.begun_at, after.session_id)
        own = [
            entry
            for entry in self._entries.values()
            if entry.session.user_id == user_id and (entry.begun_at, entry.session.id) < place
        ]
        own.sort(key=lambda entry: (entry.begun_at, entry.session.id), reverse=True)
        return [
            ListedSession(
                id=entry.session.id,
                name=entry.session.name,
                begun_at=entry.begun_at,
                active_at=entry.active_at,
                ends_at=today + timedelta(seconds=entry.expires_at - now),
                turns=entry.session.turns,
                status="active" if entry.session.answering else "completed",
                first_message=first_message(entry.session),
            )
            for entry in own[:limit]
        ]

    async def add_eval_results(
        self,
        results: Sequence[EvalResult],
        calls: Sequence[ProviderCall] = (),
    ) -> int:
        self._end_expired()
        added = 0
        for result in results:
            entry = self._entries.get(result.session)
            if entry is None or result.key in entry.results:
                continue
            if len(entry.results) >= MOST_RESULTS:
                del entry.results[next(iter(entry.results))]
            entry.results[result.key] = result
            added += 1
        if added:
            await self.add_costs(calls)
        return added

    async def eval_results(self, session_id: str) -> list[EvalResult]:
        self._end_expired()
        entry = self._entries.get(session_id)
        return in_order(entry.results.values()) if entry else []

    async def spent(self, first: date, providers: Collection[str] = ()) -> float:
        return sum(
            cost
            for (day, provider), cost in self._costs.items()
            if day >= first and (not providers or provider in providers)
        )

    async def add_costs(self, calls: Sequence[ProviderCall]) -> None:
        today = datetime.now(UTC).date()
        for call in calls:
            self._costs[today, call.provider] += call.cost_usd
        for known in [each for each in self._costs if each[0] < today - COSTS_KEPT]:
            del self._costs[known]

    async def close(self) -> None:
        self._entries.clear()

    def _end_expired(self) -> float:
        """Delete the expired sessions; return the time."""
        now, ended = self._clock(), 0
        while self._entries and next(iter(self._entries.values())).expires_at <= now:
            self._entries.popitem(last=False)
            ended += 1
        if ended:
            self._on_retention(RetentionEffects(ended, ended))
        return now

    def _touch(self, session_id: str) -> _Entry | None:
        now = self._end_expired()
        entry = self._entries.get(session_id)
        if entry:
            if self._retention.dry_run and now - entry.expires_at + self._ttl >= self._trial_ttl:
                self._on_retention(RetentionEffects(1, 1, dry_run=True))
            entry.expires_at = now + self._ttl
            self._entries.move_to_end(session_id)
        return entry

    def _trimmed(self, entry: _Entry, session: Session) -> Session:
        """Delete the messages above the limit or, in a dry run, count them."""
        most, dry_run = self._retention.max_messages, self._retention.dry_run
        known = max(session.first, entry.trial_first) if dry_run else session.first
        if most is None or session.length - known <= most:
            return session
        at = first_kept(session.messages, most)
        gone = session.first + at - known
        if gone <= 0:
            return session
        self._on_retention(RetentionEffects(messages_deleted=gone, dry_run=dry_run))
        if dry_run:
            entry.trial_first = session.first + at
            return session
        return _without(session, at)


def _without(session: Session, count: int) -> Session:
    """Return a session without its first messages."""
    turns = sum(message.role == "user" for message in session.messages[:count])
    before = session.deleted.turns if session.deleted else 0
    deleted = DeletedMessages(
        session.first + count, before + turns, session.pack_version, session.user_id
    )
    return structs.replace(session, messages=session.messages[count:], deleted=deleted)
