"""What a turn has said so far, stored while it is being said."""

import asyncio
from collections.abc import Sequence

import structlog
from msgspec import structs

from omnia_core.conversation.finish_reasons import INTERRUPTED
from omnia_core.errors import OmniaError
from omnia_core.sessions import Message, SessionStore
from omnia_core.sessions.audit import timestamp
from omnia_runtime.turns.turn import Turn, closed

PERIOD_SECONDS = 1.0

_log = structlog.get_logger()


class Checkpoints:
    """Stores what is new in a turn, a second after it came and at most once a second.

    Nothing that is stored is waited for: a write that comes after the turn's append changes
    nothing, one that fails is told in the log. A turn that is shorter than a second sets one timer.
    """

    def __init__(
        self,
        store: SessionStore,
        turn: Turn,
        transcript: Sequence[Message],
        known: int,
        first: int = 0,
        period: float = PERIOD_SECONDS,
    ) -> None:
        """`transcript` grows while the turn runs; its first `known` messages are stored.

        `first` is the position of the very first one in the session.
        """
        self._period = period
        self._store = store
        self._turn = turn
        self._transcript = transcript
        self._known = known
        self._length = first + known
        self._timer: asyncio.TimerHandle | None = None
        self._write: asyncio.Task[None] | None = None
        self._ended = False

    def note(self) -> None:
        """Say that there is something new."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._due)

    def end(self) -> None:
        """Store nothing from now on: the turn's append follows."""
        self._ended = True
        if self._timer:
            self._timer.cancel()

    def _due(self) -> None:
        self._timer = None
        if self._write is None:
            self._write = asyncio.create_task(self._store_now())
        else:
            # the store is slower than the answer: what is new goes with the next one
            self.note()

    async def _store_now(self) -> None:
        cut = closed(self._transcript, self._known, self._turn.text, INTERRUPTED)[self._known :]
        try:
            await self._store.checkpoint(
                self._turn.session_id, stamped(cut), expected_length=self._length
            )
        except OmniaError as error:
            if not self._ended:
                _log.warning(
                    "a checkpoint was not stored",
                    session=self._turn.session_id,
                    reason=str(error),
                )
        finally:
            self._write = None


def stamped(messages: Sequence[Message]) -> list[Message]:
    """Give messages the time at which they are stored, unless they have one."""
    now = timestamp()
    return [each if each.created_at else structs.replace(each, created_at=now) for each in messages]
