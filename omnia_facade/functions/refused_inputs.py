"""Stores refused inputs of functions as sessions, as the runtime stores the calls that it gets."""

import asyncio
import time
from collections.abc import Callable

import structlog

from omnia_core.env import FacadeEnv
from omnia_core.errors import OmniaError
from omnia_core.sessions import AuditTrail, Message, SessionStore
from omnia_core.sessions.audit import EventKind, RuntimeEvent, timestamp
from omnia_core.sessions.factory import OnDemandSessionStore, open_sessions

# The number of records that may wait for the store; more are dropped and logged.
MAX_PENDING = 64
# How long a write may take, and the time for the last ones when the facade ends.
WRITE_SECONDS = 5.0
_CLOSE_SECONDS = 2.0
_MAX_INPUT = 100_000
_MAX_DETAIL = 500

_log = structlog.get_logger()


class RefusedInputs:
    """Stores refused inputs in the background: no caller waits, and a failed write fails no call.

    The driver is loaded by the first refused input, and the connections are closed after the last:
    both are rare, and every pod would pay for them.
    """

    def __init__(
        self, env: FacadeEnv, open_store: Callable[[FacadeEnv], SessionStore] = open_sessions
    ) -> None:
        """Use the session store of the environment, which keeps audit records.

        Args:
            env: has the address of the session store.
            open_store: opens the store, in a thread, when there is an input to store.
        """
        self._store = OnDemandSessionStore(env, open_store)
        self._writes: set[asyncio.Task[None]] = set()

    def add(self, invocation_id: str, user_id: str, body: bytes, reason: str, began: float) -> None:
        """Store an input that was refused.

        Args:
            invocation_id: the id of the session.
            user_id: of the caller.
            body: of the request; its text is cut.
            reason: names places and limits, never content of the input.
            began: when the call began, by `time.monotonic`.
        """
        if len(self._writes) >= MAX_PENDING:
            _log.warning("refused input not stored: too many wait", invocation_id=invocation_id)
            return
        now = timestamp()
        text = body[:_MAX_INPUT].decode(errors="replace")
        messages = [
            Message("user", text, user_id=user_id, created_at=now),
            Message("assistant", "", finish_reason="error", created_at=now),
        ]
        audit = AuditTrail(
            "error",
            "function",
            turns=1,
            turn_ms=round((time.monotonic() - began) * 1000, 3),
            events=(
                RuntimeEvent(now, EventKind.TURN_BEGAN),
                RuntimeEvent(now, EventKind.INPUT_INVALID, reason[:_MAX_DETAIL]),
            ),
        )
        write = asyncio.get_running_loop().create_task(self._write(invocation_id, messages, audit))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def close(self) -> None:
        """Wait shortly for pending writes, then cancel them."""
        writes = set(self._writes)
        if writes:
            await asyncio.wait(writes, timeout=_CLOSE_SECONDS)
        for write in writes:
            write.cancel()
        await asyncio.gather(*writes, return_exceptions=True)
        await self._store.close()

    async def _write(self, session_id: str, messages: list[Message], audit: AuditTrail) -> None:
        reason = ""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                store = await self._store.open()
                await store.append(session_id, messages, expected_length=0, audit=audit)
        except TimeoutError:
            reason = f"the session store did not answer within {WRITE_SECONDS:g} s"
        except OmniaError as error:
            reason = error.message
        except Exception:  # noqa: BLE001 - a record must not disturb the calls
            _log.exception("refused input not stored", invocation_id=session_id)
        if reason:
            _log.warning("refused input not stored", invocation_id=session_id, reason=reason)
        if len(self._writes) == 1:
            await self._store.close()
