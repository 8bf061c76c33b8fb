"""Measures the operations of a session store."""

import asyncio
import time
from collections.abc import Collection, Sequence
from datetime import date

from omnia_core.sessions import (
    AuditTrail,
    EvalResult,
    Message,
    Session,
    SessionConflict,
    SessionStore,
    StoreUnavailable,
)
from omnia_core.sessions.audit import ProviderCall
from omnia_core.sessions.feed import SessionFeed
from omnia_core.sessions.own import OwnSessions
from omnia_core.sessions.recorded import RecordedSession
from omnia_core.sessions.signals import Signals
from omnia_core.sessions.trail import SessionTrail
from omnia_runtime.observe.metrics import RuntimeMetrics


class MeteredSessionStore:
    """Forwards every operation, and measures its status and duration."""

    def __init__(self, store: SessionStore, metrics: RuntimeMetrics) -> None:
        self._store = store
        self._metrics = metrics
        self.keeps_audit = store.keeps_audit

    @property
    def signals(self) -> Signals | None:
        return self._store.signals

    @property
    def feed(self) -> SessionFeed | None:
        return self._store.feed

    @property
    def own(self) -> OwnSessions:
        return self._store.own

    def start(self) -> None:
        self._store.start()

    async def load(self, session_id: str) -> Session | None:
        with _Operation("load", self._metrics):
            return await self._store.load(session_id)

    async def read(self, session_id: str) -> RecordedSession | None:
        with _Operation("read", self._metrics):
            return await self._store.read(session_id)

    async def trail(self, session_id: str, last: int) -> SessionTrail | None:
        with _Operation("trail", self._metrics):
            return await self._store.trail(session_id, last)

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        audit: AuditTrail | None = None,
    ) -> int:
        with _Operation("append", self._metrics):
            return await self._store.append(
                session_id, messages, expected_length=expected_length, audit=audit
            )

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        with _Operation("checkpoint", self._metrics):
            await self._store.checkpoint(session_id, messages, expected_length=expected_length)

    async def rename(
        self,
        session_id: str,
        name: str,
        *,
        expected_name: str,
        audit: AuditTrail | None = None,
    ) -> bool:
        with _Operation("rename", self._metrics):
            return await self._store.rename(
                session_id, name, expected_name=expected_name, audit=audit
            )

    async def add_eval_results(
        self, results: Sequence[EvalResult], calls: Sequence[ProviderCall] = ()
    ) -> int:
        with _Operation("add_eval_results", self._metrics):
            return await self._store.add_eval_results(results, calls)

    async def eval_results(self, session_id: str) -> list[EvalResult]:
        with _Operation("eval_results", self._metrics):
            return await self._store.eval_results(session_id)

    async def spent(self, first: date, providers: Collection[str] = ()) -> float:
        with _Operation("spent", self._metrics):
            return await self._store.spent(first, providers)

    async def add_costs(self, calls: Sequence[ProviderCall]) -> None:
        with _Operation("add_costs", self._metrics):
            await self._store.add_costs(calls)

    async def close(self) -> None:
        await self._store.close()


class _Operation:
    """Measures one operation. A context manager made from a generator takes three times as long."""

    __slots__ = ("_began", "_metrics", "_name")

    def __init__(self, name: str, metrics: RuntimeMetrics) -> None:
        self._name = name
        self._metrics = metrics

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._metrics.stored(self._name, _status(error), time.monotonic() - self._began)


def _status(error: BaseException | None) -> str:
    if error is None:
        return "success"
    if isinstance(error, SessionConflict):
        return "conflict"
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return "unavailable" if isinstance(error, StoreUnavailable) else "error"
