"""Names sessions in the background, beside the answer."""

import asyncio
from collections.abc import Sequence

import structlog
from msgspec import Struct

from omnia_core.errors import OmniaError
from omnia_core.sessions import Message, SessionStore
from omnia_core.sessions.audit import EventKind
from omnia_runtime.agent.session_name import NameLimits, first_words, make_name
from omnia_runtime.observe.audit import AuditRecorder, recording
from omnia_runtime.ports.model import ChatModel

_log = structlog.get_logger()


class NamingTerms(Struct, frozen=True):
    """How the sessions of an agent are named.

    Attributes:
        model: makes the names; None: they are the first words of the conversation.
        every_turns: a session gets its name in its first turn, and another after so many turns.
    """

    model: ChatModel | None
    every_turns: int = 20
    limits: NameLimits = NameLimits()

    def due(self, name: str, turns: int) -> bool:
        """Whether a session is to be named in a turn; `turns` counts that one too."""
        return not name or (turns - 1) % self.every_turns == 0


class Naming:
    """Makes names, at most one per session at a time.

    A model that fails leaves the name as it is, and a session without one gets its first words.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._running: dict[str, asyncio.Task[str]] = {}

    def start(
        self, session_id: str, terms: NamingTerms, name: str, messages: Sequence[Message]
    ) -> asyncio.Task[str]:
        """Start to name a stored session that has `name`; the task returns the new one."""
        task = self._running.get(session_id)
        if task is None:
            making = self._make(session_id, terms, name, tuple(messages))
            task = self._running[session_id] = asyncio.create_task(making)
            task.add_done_callback(lambda _: self._running.pop(session_id, None))
        return task

    async def close(self) -> None:
        """Cancel what is running."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _make(
        self, session_id: str, terms: NamingTerms, known: str, messages: Sequence[Message]
    ) -> str:
        # The cost is recorded for the session, not for the turn that started the naming.
        recorder = AuditRecorder(beside_turns=True)
        made = ""
        if terms.model:
            try:
                with recording(recorder):
                    made = await make_name(terms.model, messages, terms.limits)
                recorder.event(EventKind.NAME_MADE)
            except (OmniaError, TimeoutError) as error:
                _log.warning(
                    "session not named by the model", session=session_id, reason=str(error)
                )
            except Exception:  # noqa: BLE001 - nothing awaits this task
                _log.exception("session not named by the model", session=session_id)
        name = made or known or first_words(messages, terms.limits)
        try:
            named = await self._store.rename(
                session_id, name, expected_name=known, audit=recorder.take()
            )
        except OmniaError as error:
            _log.warning("name not stored", session=session_id, reason=str(error))
            return known
        except Exception:  # noqa: BLE001 - likewise
            _log.exception("name not stored", session=session_id)
            return known
        return name if named else known
