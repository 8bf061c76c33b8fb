"""Whether the watches live: one that has died silently would let the world go by unseen."""

from collections.abc import Callable, Mapping

from omnia_operator.cluster.kinds import OPTIONAL, WATCHED, ObjectKind

# The API server ends every watch after this time, and a new one begins.
SERVER_SECONDS = 120
# A stream that says nothing, not even a bookmark, for this long is given up.
SILENCE_SECONDS = 70
_MARGIN_SECONDS = 60
OLDEST = SERVER_SECONDS + SILENCE_SECONDS + _MARGIN_SECONDS


class Watches:
    """When each kind's watch last connected or delivered something."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        started = clock()
        self._alive = {kind: started for kind in WATCHED if kind not in OPTIONAL}

    def expect(self, kind: ObjectKind) -> None:
        """Note that the cluster has a kind: from now on its watch has to show that it lives."""
        self._alive.setdefault(kind, self._clock())

    def alive(self, kind: ObjectKind) -> None:
        """Note that a kind's watch connects or delivers."""
        self._alive[kind] = self._clock()

    def ages(self) -> Mapping[str, float]:
        """Return for each kind the time since then."""
        now = self._clock()
        return {kind.name: now - then for kind, then in self._alive.items()}

    def dead(self) -> list[str]:
        """Return the kinds whose watches have died."""
        return [kind for kind, age in self.ages().items() if age > OLDEST]
