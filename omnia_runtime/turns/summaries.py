"""Running summaries of long conversations, made beside the answers."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from omnia_core.errors import OmniaError
from omnia_core.sessions import Message, SessionStore
from omnia_core.sessions.audit import EventKind
from omnia_runtime.agent.context_window import Fitted
from omnia_runtime.agent.summary import summarize
from omnia_runtime.observe.audit import Recorder, recording
from omnia_runtime.ports.model import ChatModel

_log = structlog.get_logger()


class Summaries:
    """Makes summaries in the background, one of a session at a time.

    A summary that fails, or that another pod was faster with, is thrown away: the next turn asks
    for it again.
    """

    def __init__(
        self,
        store: SessionStore,
        alone: Callable[[str], AbstractAsyncContextManager[None]],
    ) -> None:
        """`alone` keeps turns of a session away while it is written to."""
        self._store = store
        self._alone = alone
        self._running: dict[str, asyncio.Task[None]] = {}

    def want(
        self,
        session_id: str,
        model: ChatModel,
        fitted: Fitted,
        messages: list[Message],
        first: int = 0,
    ) -> None:
        """Begin a summary if the conversation has grown so long that it needs one.

        `first` is the position of the first of `messages` in the session.
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
        """Give up what is not ready."""
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
            # what it costs is the session's, not the turn's that it began in
            trail = Recorder()
            with recording(trail):
                text = await summarize(model, previous, covered)
            trail.event(EventKind.SUMMARY_MADE)
            summary = Message("summary", text, covers=covers)
            async with self._alone(session_id):
                session = await self._store.load(session_id)
                # a turn that another pod is at must not find the session longer than it knew
                if session is not None and not session.interrupted:
                    await self._store.append(
                        session_id,
                        [summary],
                        expected_length=session.length,
                        trail=trail.beside(),
                    )
        except (OmniaError, TimeoutError) as error:
            _log.warning("a conversation was not summarised", session=session_id, reason=str(error))
        except Exception:  # noqa: BLE001 - nobody waits for this task
            _log.exception("a conversation was not summarised", session=session_id)
