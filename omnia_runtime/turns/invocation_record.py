"""What is kept of a function's call: a session of its own, stored after the answer."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from msgspec import structs

from omnia_core.errors import Code, OmniaError
from omnia_core.sessions import Message, SessionStore
from omnia_core.sessions.audit import EventKind
from omnia_runtime.observe.audit import Recorder, note_event, recording
from omnia_runtime.observe.metrics import Metrics
from omnia_runtime.turns.appends import Ending, cut_by, finished_with
from omnia_runtime.turns.checkpoints import stamped
from omnia_runtime.turns.turn import closed

# Calls whose records wait for the store; beyond, records are dropped and counted.
MOST_WAITING = 64
# What the last records have when the runtime ends.
_SECONDS = 2.0

_log = structlog.get_logger()


class InvocationRecord:
    """One call while it runs.

    Attributes:
        messages: what was said; the first is the input.
        reason: why the model stopped, "" while it has not.
        fault: what is wrong with the shape of the last answer, "" when nothing is.
    """

    def __init__(self, invocation_id: str, input_json: str, user_id: str) -> None:
        self.id = invocation_id
        self.messages = [Message("user", input_json, user_id=user_id)]
        self.reason = ""
        self.fault = ""

    def answered_by(self, version: str) -> None:
        """Note the version of the PromptPack."""
        self.messages[0] = structs.replace(self.messages[0], pack_version=version)


class InvocationRecords:
    """Stores calls in the background: no caller waits for it, and no call fails by it."""

    def __init__(self, store: SessionStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._writes: set[asyncio.Task[None]] = set()

    @contextmanager
    def kept(self, record: InvocationRecord) -> Iterator[None]:
        """Note what happens within, and store it at the end, where the store keeps it."""
        if not self._store.keeps_audit:
            yield
            return
        recorder = Recorder("function")
        with recording(recorder):
            note_event(EventKind.TURN_BEGAN)
            try:
                yield
            except BaseException as error:
                reason = "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
                messages = closed(record.messages, 0, "", reason)
                self._keep(record.id, messages, recorder, _cut_by(error))
                raise
            self._keep(record.id, record.messages, recorder, _ending(record))

    async def close(self) -> None:
        """Wait a moment for what is not stored yet."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=_SECONDS)
        for task in self._writes:
            task.cancel()

    def _keep(
        self, session_id: str, messages: list[Message], recorder: Recorder, ending: Ending
    ) -> None:
        if len(self._writes) >= MOST_WAITING:
            self._metrics.stored("append", "dropped", 0.0)
            return
        trail = recorder.ended(*ending, turns=1)
        write = self._store.append(session_id, stamped(messages), expected_length=0, audit=trail)
        task = asyncio.create_task(_told(session_id, write))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)


async def _told(session_id: str, write: Coroutine[Any, Any, int]) -> None:
    try:
        await write
    except OmniaError as error:
        _log.warning("a call was not recorded", session=session_id, reason=error.message)


def _ending(record: InvocationRecord) -> Ending:
    if not record.fault:
        return finished_with(record.reason)
    return "error", EventKind.OUTPUT_INVALID, record.fault


def _cut_by(error: BaseException) -> Ending:
    status, kind, detail = cut_by(error)
    if isinstance(error, OmniaError) and error.code is Code.INVALID_ARGUMENT:
        return status, EventKind.INPUT_INVALID, detail
    return status, EventKind.RUNTIME_ERROR if kind is EventKind.TURN_FAILED else kind, detail
