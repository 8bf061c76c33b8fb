"""Summarises long conversations in the background."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from omnia_core.errors import OmniaError
from omnia_core.sessions import Message, SessionStore
from omnia_core.sessions.audit import EventKind
from omnia_runtime.agent.context_window import FittedMessages
from omnia_runtime.agent.summary import summarize
from omnia_runtime.observe.audit import AuditRecorder, recording
from omnia_runtime.ports.model import ChatModel

_log = structlog.get_logger()


class Summaries:
    """Makes summaries, at most one per session at a time.

    A summary that fails, or that conflicts with another pod's write, is discarded: the next turn
    starts a new one.
    """

    def __init__(
        self,
        store: SessionStore,
        lock: Callable[[str], AbstractAsyncContextManager[None]],
    ) -> None:
        """`lock` locks a session against turns while its summary is stored."""
        self._store = store
        self._lock = lock
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(
        self,
        session_id: str,
        model: ChatModel,
        fitted: FittedMessages,
        messages: list[Message],
        first: int = 0,
    ) -> None:
        """Start the summary that `fitted` wants, unless one of the session is running.

        `first` is the position in the session of the first of `messages`.
        """
        wanted = fitted.wants_summary
        if wanted is None or session_id in self._running:
            return
        covered = messages[wanted.start : wanted.stop]
        task = asyncio.create_task(
            self._make(session_id, model, fitted.summary, covered, first + wanted.stop)
        )
        self._running[session_id] = task
        task.add_done_callback(lambda _: self._running.pop(session_id, None))

    async def close(self) -> None:
        """Cancel the running summaries."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _make(
        self,
        session_id: str,
        model: ChatModel,
        previous: str,
        covered: list[Message],
        covers: int,
    ) -> None:
        try:
            # The cost is recorded for the session, not for the turn that started the summary.
            recorder = AuditRecorder(beside_turns=True)
            with recording(recorder):
                text = await summarize(model, previous, covered)
            recorder.event(EventKind.SUMMARY_MADE)
            summary = Message("summary", text, covers=covers)
            async with self._lock(session_id):
                session = await self._store.load(session_id)
                # A turn in another pod must not find the session longer than it expects.
                if session is not None and not session.interrupted:
                    await self._store.append(
                        session_id,
                        [summary],
                        expected_length=session.length,
                        audit=recorder.take(),
                    )
        except (OmniaError, TimeoutError) as error:
            _log.warning("conversation not summarised", session=session_id, reason=str(error))
        except Exception:  # noqa: BLE001 - nothing awaits this task
            _log.exception("conversation not summarised", session=session_id)
