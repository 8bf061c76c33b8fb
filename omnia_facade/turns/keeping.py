"""Answers without an end, kept in the store of the sessions."""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from prometheus_client import Counter

from omnia_core.env import FacadeEnv
from omnia_core.errors import OmniaError
from omnia_core.sessions import SessionStore
from omnia_core.sessions.audit import timestamp
from omnia_core.sessions.factory import open_sessions, session_url
from omnia_facade.dialogue.events import TurnRequest
from omnia_facade.turns.interrupted import Verdict, verdict
from omnia_facade.turns.relayed import Keeper, Kept, Relayed

# What a client waits for the store before it is told that nothing is known.
PATIENCE_SECONDS = 2.0
# What a write may take that nobody waits for any more.
WRITE_SECONDS = 5.0

_log = structlog.get_logger()


class StoreKeeper(Keeper):
    """Makes a checkpoint of what was relayed, as the runtime would have.

    No append: a runtime that is alive after all ends its turn at the length that it knows, and
    then forgets the checkpoint, which has no more than what it appends.

    The driver is loaded by the first answer that is kept, and connections are let go after the
    last: both are rare, and each pod would pay for them.
    """

    def __init__(
        self,
        env: FacadeEnv,
        outcomes: Mapping[Kept, Counter],
        *,
        open_store: Callable[[FacadeEnv], SessionStore] = open_sessions,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Keep answers in the store that the environment names.

        Args:
            env: says where the store is.
            outcomes: count what becomes of the answers.
            open_store: makes the store, in a thread, whenever there is something to keep.
            patience: seconds that a turn waits for it.

        Raises:
            ConfigurationError: the store has no URL.
        """
        session_url(env)
        self._env = env
        self._outcomes = outcomes
        self._open_store = open_store
        self._patience = patience
        self._store: SessionStore | None = None
        self._writes: set[asyncio.Task[bool]] = set()
        self._writing = 0
        self._opening = asyncio.Lock()

    async def keep(self, request: TurnRequest, relayed: Relayed) -> bool:
        write = asyncio.get_running_loop().create_task(self._keep(request, relayed))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        # cancels nothing, neither when the time is over nor with the caller
        ended, _ = await asyncio.wait({write}, timeout=self._patience)
        return bool(ended) and write.result()

    async def close(self) -> None:
        """Wait for the writes that run."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=WRITE_SECONDS)

    async def _keep(self, request: TurnRequest, relayed: Relayed) -> bool:
        outcome, reason, now = Kept.FAILED, "", timestamp()
        self._writing += 1
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                done = await self._written(request, relayed, now)
                outcome, reason = done.outcome, done.reason
        except TimeoutError:
            reason = f"the session store did not answer within {WRITE_SECONDS:g} s"
        except OmniaError as error:
            reason = error.message
        except Exception:  # noqa: BLE001 - the client is told how its turn ended whatever happens
            _log.exception("an answer was not kept", session_id=request.session_id)
        if reason:
            _log.warning("an answer was not kept", session_id=request.session_id, reason=reason)
        self._outcomes[outcome].inc()
        self._writing -= 1
        if not self._writing:
            await self._let_go()
        return outcome is not Kept.FAILED

    async def _written(self, request: TurnRequest, relayed: Relayed, now: str) -> Verdict:
        store = await self._opened()
        session = await store.load(request.session_id)
        decided = verdict(session, request, relayed, now)
        if decided.checkpoint:
            await store.checkpoint(
                request.session_id, decided.checkpoint, expected_length=decided.length
            )
        return decided

    async def _opened(self) -> SessionStore:
        async with self._opening:
            if self._store is None:
                # In a thread: the import of a driver takes longer than a frame may wait.
                self._store = await asyncio.to_thread(self._open_store, self._env)
            return self._store

    async def _let_go(self) -> None:
        store, self._store = self._store, None
        if store:
            try:
                await store.close()
            except Exception:  # noqa: BLE001 - what became of the answer is decided already
                _log.exception("the session store was not closed")
