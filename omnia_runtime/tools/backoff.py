"""How long to wait before something is tried again."""

from msgspec import Struct

# the exponent stops growing here: 2 ** 10000 is no float
_MOST_DOUBLINGS = 32
_SPREAD = 0.25


class Backoff(Struct, frozen=True):
    """Waits that grow from `first` to `longest` seconds by `factor`."""

    first: float
    longest: float
    factor: float = 2.0

    def wait(self, failures: int, spread: float) -> float:
        """Return the seconds to wait after so many failures in a row, at least one.

        Args:
            failures: how often it was tried in vain.
            spread: at random from 0 to 1, so that not all come at once: shortens by a quarter.
        """
        grown = self.first * self.factor ** min(max(failures - 1, 0), _MOST_DOUBLINGS)
        return min(grown, self.longest) * (1 - _SPREAD * spread)


# For servers that are away: found soon when they come back, cheap when they never do.
RECONNECT = Backoff(1.0, 60.0)
