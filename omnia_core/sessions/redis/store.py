"""The session store in Redis: sessions survive restarts of pods, and every pod sees them.

A session has a list of messages (JSON, in order), the id of the last append, a checkpoint while a
turn runs (JSON, one message per line), and a hash about deleted messages. They share a hash tag, so
a cluster keeps them together; there is no index. Every operation is one script: one round trip.
"""

import contextlib
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias, cast

import msgspec
import structlog
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from omnia_core.sessions.audit import AuditTrail, ProviderCall
from omnia_core.sessions.daily import COSTS_KEPT
from omnia_core.sessions.evaluations import (
    MOST_RESULTS,
    EvalResult,
    decode_result,
    encode_result,
    in_order,
)
from omnia_core.sessions.feed import is_answered
from omnia_core.sessions.recorded import RecordedSession
from omnia_core.sessions.records import DeletedMessages, Message, Session
from omnia_core.sessions.redis.client import TIMEOUT_SECONDS, redis_client, split_replicas
from omnia_core.sessions.redis.feed import RedisFeed
from omnia_core.sessions.redis.own import RedisOwnSessions
from omnia_core.sessions.redis.scripts import (
    ADD_EVAL_RESULTS,
    APPEND,
    APPEND_BOUNDED,
    CHECKPOINT,
    EVAL_RESULTS,
    LOAD,
    READ,
    RENAME,
)
from omnia_core.sessions.redis.signals import RedisSignals
from omnia_core.sessions.retention import Retention, RetentionEffects
from omnia_core.sessions.store import (
    SessionConflict,
    SessionSettings,
    SessionStore,
    StoreUnavailable,
    WriteUnconfirmed,
)

_log = structlog.get_logger()

# The first four are written together and None while nothing is deleted; then the name, and whether
# a person chose it.
_Past: TypeAlias = tuple[bytes | None, bytes, bytes, bytes, bytes | None, bytes | None]
_Loaded: TypeAlias = tuple[list[bytes], bytes | None, _Past, int]
_Appended: TypeAlias = tuple[int, int, int, int, int]

# The prefix of the fields of the hash that are results of evaluations.
_RESULT = "eval:"
# Shorter than the socket timeout, so that the server gives up first.
_REPLICA_MILLISECONDS = int(TIMEOUT_SECONDS * 500)


class RedisSessionStore(SessionStore):
    """Keeps sessions below `omnia:<namespace>:<agent>:`."""

    def __init__(self, url: str, settings: SessionSettings) -> None:
        """Create a store that connects when it is first used.

        Raises:
            ConfigurationError: `url` is not a Redis URL; the message does not contain it.
        """
        address, self._replicas = split_replicas(url)
        self._redis = redis_client(address)
        policy = settings.retention or Retention()
        most = policy.max_messages or 0
        self._most, self._trial_most = (0, most) if policy.dry_run else (most, 0)
        self._trial_ttl = policy.bounded(settings.ttl).milliseconds if policy.dry_run else 0
        self._append_script = APPEND_BOUNDED if most else APPEND
        self._append = self._redis.register_script(self._append_script)
        self._load = self._redis.register_script(LOAD)
        self._read = self._redis.register_script(READ)
        self._checkpoint = self._redis.register_script(CHECKPOINT)
        self._rename = self._redis.register_script(RENAME)
        self._add_eval_results = self._redis.register_script(ADD_EVAL_RESULTS)
        self._eval_results = self._redis.register_script(EVAL_RESULTS)
        self._ttl = settings.ttl.milliseconds
        self._on_retention = settings.on_retention
        self._prefix = f"omnia:{settings.namespace}:{settings.agent}"
        self._decoder = msgspec.json.Decoder(Message)
        self._signals = RedisSignals(self._redis, f"{self._prefix}:signals")
        self._own = RedisOwnSessions(self._redis, self._keys)
        self._feed = RedisFeed(self._redis, self._prefix) if settings.evaluated else None

    @property
    def signals(self) -> RedisSignals:
        return self._signals

    @property
    def feed(self) -> RedisFeed | None:
        return self._feed

    @property
    def own(self) -> RedisOwnSessions:
        return self._own

    async def load(self, session_id: str) -> Session | None:
        return await self._session(session_id, self._load)

    async def read(self, session_id: str) -> RecordedSession | None:
        session = await self._session(session_id, self._read)
        return RecordedSession(session) if session else None

    async def _session(self, session_id: str, script: AsyncScript) -> Session | None:
        try:
            arguments = [self._ttl, self._trial_ttl]
            answer = await script(keys=self._keys(session_id), args=arguments)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        found, checkpoint, past, ended = cast("_Loaded", answer)
        if not found:
            return None
        self._report(RetentionEffects(ended, ended, dry_run=True))
        return Session(
            session_id,
            tuple(map(self._decoder.decode, found)),
            tuple(map(self._decoder.decode, (checkpoint or b"").splitlines())),
            _beginning(past),
            (past[4] or b"").decode(),
            past[5] is not None,
        )

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        audit: AuditTrail | None = None,
    ) -> int:
        answered = is_answered(messages)
        # A turn is noted before its first append, and when it has an answer: no script writes both,
        # because session and feed may lie on different servers of a cluster.
        if self._feed and not (answered and expected_length):
            await self._feed.note(session_id, answered=False)
        encoded = [msgspec.json.encode(message) for message in messages]
        arguments: list[int | str | bytes] = [
            self._ttl,
            self._trial_ttl,
            uuid.uuid4().hex,
            expected_length,
            self._most,
            self._trial_most,
            *encoded,
        ]
        try:
            if self._replicas:
                answer, confirmed = await self._write_replicated(
                    self._append_script, session_id, arguments
                )
            else:
                answer = await self._append(keys=self._keys(session_id), args=arguments)
                confirmed = 0
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        appended, length, gone, would_end, would_go = cast("_Appended", answer)
        if not appended:
            raise SessionConflict(session_id, expected_length, length)
        if audit:
            await self._add_costs_of(audit)
        self._report(RetentionEffects(messages_deleted=gone))
        self._report(RetentionEffects(would_end, would_end, would_go, dry_run=True))
        if self._feed and answered:
            with contextlib.suppress(StoreUnavailable):
                await self._feed.note(session_id, answered=True)
        self._require_replicas(confirmed)
        return length

    def _report(self, effects: RetentionEffects) -> None:
        if effects:
            self._on_retention(effects)

    async def _write_replicated(
        self, script: str, session_id: str, arguments: list[int | str | bytes]
    ) -> tuple[object, int]:
        """Run a script and WAIT in one round trip; return the reply and the confirmed replicas."""
        keys = self._keys(session_id)
        # WAIT counts the writes of its own connection; a pipeline uses one connection.
        async with self._redis.pipeline(transaction=False) as pipeline:
            _ = pipeline.eval(script, len(keys), *keys, *arguments)
            _ = pipeline.execute_command("WAIT", self._replicas, _REPLICA_MILLISECONDS)
            answer, confirmed = await pipeline.execute()
        return answer, int(confirmed)

    def _require_replicas(self, confirmed: int) -> None:
        if confirmed < self._replicas:
            raise WriteUnconfirmed(f"{confirmed} of {self._replicas} replicas have it")

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        lines = b"\n".join(map(msgspec.json.encode, messages))
        arguments: list[int | str | bytes] = [self._ttl, expected_length, lines]
        confirmed = 0
        try:
            if self._replicas:
                _, confirmed = await self._write_replicated(CHECKPOINT, session_id, arguments)
            else:
                await self._checkpoint(keys=self._keys(session_id), args=arguments)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        self._require_replicas(confirmed)

    async def rename(
        self,
        session_id: str,
        name: str,
        *,
        expected_name: str,
        audit: AuditTrail | None = None,
    ) -> bool:
        if audit:
            await self._add_costs_of(audit)
        try:
            named = await self._rename(keys=self._keys(session_id), args=[expected_name, name])
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        return bool(named)

    async def add_eval_results(
        self,
        results: Sequence[EvalResult],
        calls: Sequence[ProviderCall] = (),
    ) -> int:
        by_session: defaultdict[str, list[str | bytes]] = defaultdict(list)
        for result in results:
            by_session[result.session] += (f"{_RESULT}{result.key}", encode_result(result))
        added = 0
        try:
            for session_id, fields in by_session.items():
                added += await self._add_eval_results(
                    keys=self._keys(session_id), args=[MOST_RESULTS, *fields]
                )
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        if added:
            await self.add_costs(calls)
        return added

    async def eval_results(self, session_id: str) -> list[EvalResult]:
        try:
            found = await self._eval_results(keys=self._keys(session_id))
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        pairs = zip(found[::2], found[1::2], strict=True)
        return in_order(
            decode_result(value) for name, value in pairs if name.startswith(_RESULT.encode())
        )

    async def spent(self, first: date, providers: Collection[str] = ()) -> float:
        days = (datetime.now(UTC).date() - first).days
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for day in range(min(days, COSTS_KEPT.days) + 1):
                    _ = pipeline.hgetall(self._costs_of(first + timedelta(days=day)))
                found = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        return sum(
            float(cost)
            for day in found
            for provider, cost in day.items()
            if not providers or provider.decode() in providers
        )

    async def add_costs(self, calls: Sequence[ProviderCall]) -> None:
        key = self._costs_of(datetime.now(UTC).date())
        paid = [each for each in calls if each.cost_usd]
        if not paid:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for call in paid:
                    _ = pipeline.hincrbyfloat(key, call.provider, call.cost_usd)
                _ = pipeline.expire(key, COSTS_KEPT)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error

    async def _add_costs_of(self, audit: AuditTrail) -> None:
        """Add what a turn cost; the turn is stored whatever happens here."""
        try:
            await self.add_costs(audit.provider_calls)
        except StoreUnavailable as error:
            _log.warning("the cost of a turn was not added to the total", reason=error.message)

    def _costs_of(self, day: date) -> str:
        """Return the key of the hash of what requests to each provider cost on a day, in USD."""
        return f"{self._prefix}:costs:{day.isoformat()}"

    async def close(self) -> None:
        await self._redis.aclose()

    def _keys(self, session_id: str) -> list[str]:
        key = f"{self._prefix}:{{{session_id}}}"
        return [f"{key}:messages", f"{key}:last", f"{key}:checkpoint", f"{key}:past"]


def _beginning(past: _Past) -> DeletedMessages | None:
    messages, turns, version, user, *_ = past
    if messages is None:
        return None
    return DeletedMessages(int(messages), int(turns), version.decode(), user.decode())
