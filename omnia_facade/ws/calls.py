"""How many voice calls a pod holds at once."""

from prometheus_client import Gauge


class Calls:
    """Counts calls; each holds a stream to the runtime, and a model that listens, all the time."""

    def __init__(self, limit: int, active: Gauge) -> None:
        """Let `limit` calls be held, and show in `active` how many are."""
        self.limit = limit
        self._active = active
        self._count = 0

    def begin(self) -> bool:
        """Count a call, unless there are enough."""
        if self._count >= self.limit:
            return False
        self._count += 1
        self._active.inc()
        return True

    def end(self) -> None:
        """Count one less."""
        self._count -= 1
        self._active.dec()
