"""The pods that have a run: records in the store that the pods of an agent share.

A pod that is asked for a run of another pod passes the request on to it. A record says until when
its pod is alive, so a run whose pod died is known to have failed.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from hashlib import sha256
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from omnia_core.sessions import StoreUnavailable
from omnia_facade.idempotency.store import ReplyStore
from omnia_facade.runs.holders import RunHolder, RunHolders
from omnia_facade.runs.run import Run, RunState

LEASE_SECONDS = 15.0
# How long an answer waits for the record of its run. The turn goes on meanwhile.
RECORD_SECONDS = 1.0
# The pods write the records of each other: the last one that has a run of the session wins.
_HOLDER = "runs"

_log = structlog.get_logger()


class RunRecord(Struct, frozen=True):
    """What other pods know of a run. Times are seconds since the epoch.

    Attributes:
        owner: `host:port` of the facade that has it.
        alive_until: the owner renews it while the run goes on.
    """

    run_id: str
    session_id: str
    user_id: str
    door: str
    owner: str
    state: RunState
    created_at: float
    updated_at: float
    alive_until: float

    @property
    def lost(self) -> bool:
        """Whether the run did not end and its pod is gone: it has failed."""
        return not self.state.final and self.alive_until < time.time()


class RunRecords:
    """Writes the records of this pod's runs, and reads those of all pods."""

    def __init__(self, replies: ReplyStore, owner: str) -> None:
        """Keep the records in `replies`; `owner` is this pod."""
        self._replies = replies
        self._owner = owner
        self._kept: dict[str, tuple[Run, float]] = {}
        self._holders = RunHolders(replies, owner)
        self._renewing: asyncio.Task[None] | None = None
        self._writes: set[asyncio.Task[None]] = set()
        self._first_writes: dict[str, asyncio.Task[None]] = {}

    def begin(self, run: Run, kept_seconds: float) -> None:
        """Record a run, in the background, until it has ended and can be read no more.

        `recorded` waits until other pods know it.
        """
        self._kept[run.id] = run, kept_seconds
        if run.options.listed:
            self._holders.begin(run.user_id, run.id)
        run.watch(self._changed)

        def written(_: asyncio.Task[None]) -> None:
            del self._first_writes[run.id]

        first = self._first_writes[run.id] = self._spawn(self._first(run, kept_seconds))
        first.add_done_callback(written)
        if self._renewing is None:
            self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def recorded(self, run: Run) -> None:
        """Wait until other pods know a run, but not long: it goes on without its record too."""
        if first := self._first_writes.get(run.id):
            await asyncio.wait({first}, timeout=RECORD_SECONDS)

    async def of_run(self, run_id: str, user_id: str) -> RunRecord | None:
        """Return the record of a run of this user that another pod has."""
        return await self._find(_scope("run", user_id, run_id))

    async def of_session(self, session_id: str, user_id: str) -> RunRecord | None:
        """Return the record of the newest run of a session, if another pod has it."""
        return await self._find(_scope("session", user_id, session_id))

    async def holders(self, user_id: str) -> Sequence[RunHolder]:
        """Return the other pods that have runs of this user which are listed."""
        return await self._holders.others(user_id)

    async def run_of_message(
        self, session_id: str, user_id: str, message_id: str, run_id: str
    ) -> str:
        """Return the run that the same message began in another pod, or claim it for this one."""
        scope = _scope("message", user_id, session_id, message_id)
        try:
            known = await self._replies.claim(
                scope, run_id.encode(), run_id, lease_seconds=LEASE_SECONDS * 20
            )
        except StoreUnavailable as error:
            _log.warning("message not recorded", reason=str(error))
            return run_id
        return run_id if known is None else known.fingerprint.decode()

    async def close(self) -> None:
        """Finish the pending writes, and stop renewing records."""
        if self._renewing:
            self._renewing.cancel()
        if self._writes:
            await asyncio.wait(self._writes)

    def _changed(self, run: Run) -> None:
        if run.state.final or run.state is RunState.WAITING:
            _, kept = self._kept[run.id]
            _ = self._spawn(self._write(run, kept))
        if run.state.final:
            del self._kept[run.id]
            self._holders.end(run.user_id, run.id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return task

    async def _first(self, run: Run, kept_seconds: float) -> None:
        claims = (
            self._replies.claim(scope, b"", _HOLDER, lease_seconds=LEASE_SECONDS)
            for scope in _scopes(run)
        )
        with contextlib.suppress(StoreUnavailable):
            await asyncio.gather(*claims)
        await self._write(run, kept_seconds)

    async def _write(self, run: Run, kept_seconds: float) -> None:
        record = RunRecord(
            run.id,
            run.session_id,
            run.user_id,
            run.door,
            self._owner,
            run.state,
            run.created_at,
            run.updated_at,
            time.time() + (kept_seconds if run.state.final else LEASE_SECONDS),
        )
        data = msgspec.json.encode(record)
        # A record outlives its pod, so that the run is known to have failed.
        seconds = kept_seconds + LEASE_SECONDS
        writes: list[Coroutine[Any, Any, None]] = [
            self._replies.keep(scope, _HOLDER, data, ttl_seconds=seconds) for scope in _scopes(run)
        ]
        if run.options.listed:
            writes.append(self._holders.write(run.user_id, seconds))
        try:
            await asyncio.gather(*writes)
        except StoreUnavailable as error:
            _log.warning("run not recorded", run_id=run.id, reason=str(error))

    async def _renew(self) -> None:
        while self._kept:
            await asyncio.sleep(LEASE_SECONDS / 3)
            for run, kept in tuple(self._kept.values()):
                await self._write(run, kept)
        self._renewing = None

    async def _find(self, scope: bytes) -> RunRecord | None:
        try:
            found = await self._replies.find(scope)
        except StoreUnavailable as error:
            _log.warning("run not looked up", reason=str(error))
            return None
        if found is None or found.reply is None:
            return None
        record = msgspec.json.decode(found.reply, type=RunRecord)
        return None if record.owner == self._owner else record


def _scopes(run: Run) -> tuple[bytes, bytes]:
    return (
        _scope("run", run.user_id, run.id),
        _scope("session", run.user_id, run.session_id),
    )


def _scope(*names: str) -> bytes:
    return sha256("\0".join(("runs", *names)).encode()).digest()
