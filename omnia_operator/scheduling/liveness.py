"""Detects watches that have died without an error."""

from collections.abc import Callable, Mapping

from omnia_operator.cluster.kinds import OPTIONAL, WATCHED, ObjectKind

# The API server ends every watch after this time, and a new one begins.
SERVER_SECONDS = 120
# A stream without any event or bookmark for this long is closed.
SILENCE_SECONDS = 70
_MARGIN_SECONDS = 60
OLDEST = SERVER_SECONDS + SILENCE_SECONDS + _MARGIN_SECONDS


class WatchLiveness:
    """When the watch of each kind last connected or delivered an event."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        started = clock()
        self._alive = {kind: started for kind in WATCHED if kind not in OPTIONAL}

    def expect(self, kind: ObjectKind) -> None:
        """Call when the cluster is known to have a kind: its watch is checked from now on."""
        self._alive.setdefault(kind, self._clock())

    def alive(self, kind: ObjectKind) -> None:
        """Call when the watch of a kind connects or delivers an event."""
        self._alive[kind] = self._clock()

    def ages(self) -> Mapping[str, float]:
        """Return for each kind the seconds since then."""
        now = self._clock()
        return {kind.name: now - then for kind, then in self._alive.items()}

    def dead(self) -> list[str]:
        """Return the kinds with a dead watch."""
        return [kind for kind, age in self.ages().items() if age > OLDEST]
