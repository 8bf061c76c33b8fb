"""The mounted files of a rollout, which change while the pod runs."""

import time
from collections.abc import Callable
from pathlib import Path

import structlog
from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.files.changes import Signature, signature
from omnia_core.files.reading import read_text
from omnia_core.files.rollout import (
    SCHEDULE_FILE,
    TOKEN_FILE,
    Schedule,
    on_candidate,
    parse_schedule,
)
from omnia_core.names import Variant

# The files are checked for changes by a request, if the last check was so long ago.
CHECK_SECONDS = 1.0

_log = structlog.get_logger()


class _Read(Struct, frozen=True):
    """One state of the files."""

    schedule: Schedule | None = None
    token: str = ""


class RolloutFiles:
    """The schedule of the running rollout, and the token for the pods of its candidate."""

    def __init__(
        self,
        folder: str,
        variant: Variant = Variant.STABLE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet.

        Args:
            folder: may be empty or absent.
            variant: the side of this pod.
            clock: returns seconds.
        """
        self._folder = Path(folder)
        self._variant = variant
        self._clock = clock
        self._checked: float | None = None
        self._signature: Signature | None = None
        self._read = _Read()

    @property
    def token(self) -> str:
        """The token that a pod of the other side accepts; "" if pods accept no facade."""
        return self._current().token

    @property
    def header(self) -> str:
        """The header whose value places callers, in lower case; "" for none."""
        schedule = self._current().schedule
        return "" if schedule is None else schedule.hash_on.lower()

    def other_side(self, session_id: str, affinity: str) -> str:
        """Return the doors of the other side if it answers a session; "": this side does.

        A facade of the candidate places sessions only where the schedule has the doors of stable:
        clients reach it then, and a session may belong to stable.
        """
        schedule = self._current().schedule
        if schedule is None:
            return ""
        stable = self._variant is Variant.STABLE
        if not stable and not schedule.stable:
            return ""
        now_ms = time.time_ns() // 1_000_000
        chosen = on_candidate(schedule, session_id, affinity, now_ms)
        if chosen is not stable:
            return ""
        return schedule.candidate if chosen else schedule.stable

    def _current(self) -> _Read:
        now = self._clock()
        if self._checked is None or now - self._checked >= CHECK_SECONDS:
            self._checked = now
            # The folder alone changes at each swap of the kubelet's symbolic links.
            current = signature([self._folder / SCHEDULE_FILE, self._folder / TOKEN_FILE])
            if current != self._signature:
                self._signature = current
                self._read = self._parsed()
        return self._read

    def _parsed(self) -> _Read:
        path, token = self._folder / SCHEDULE_FILE, self._folder / TOKEN_FILE
        try:
            schedule = parse_schedule(read_text(str(path)), str(path)) if path.exists() else None
            text = read_text(str(token)).strip() if token.exists() else ""
        except ConfigurationError as error:
            # A session must not change its side because a file is broken.
            _log.error(
                "the rollout files are invalid; the previous ones stay in use", reason=str(error)
            )
            return self._read
        if schedule is not None:
            weights = [weight for _, weight in schedule.steps]
            _log.info("rollout loaded", id=schedule.id, weights=weights, over=schedule.over)
        return _Read(schedule, text)
