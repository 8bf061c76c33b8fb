"""Whether an HTTP call is tried again, and after how long."""

from msgspec import Struct

from omnia_core.files.tools import HTTPRetryPolicy
from omnia_core.units import Duration

_SPREAD = 0.1
# the exponent stops growing here: 10.0 ** 1000 is no float
_MOST_GROWTH = 64


class Retry(Struct, frozen=True):
    """A retry policy; waits are in seconds.

    Attributes:
        attempts: in all, the first included.
        network: whether a connection that failed is worth another attempt.
        respect: whether the server says how long to wait, at most `longest`.
    """

    attempts: int = 1
    first: float = 0.0
    factor: float = 1.0
    longest: float = 0.0
    statuses: frozenset[int] = frozenset()
    network: bool = False
    respect: bool = False

    @classmethod
    def of(cls, policy: HTTPRetryPolicy | None) -> "Retry":
        """Read a policy; without one there is one attempt.

        Raises:
            ValueError: a wait is no duration, or there are no attempts.
        """
        if policy is None:
            return cls()
        if policy.max_attempts < 1:
            raise ValueError("retryPolicy.maxAttempts has to be 1 or more")
        return cls(
            policy.max_attempts,
            Duration.parse(policy.initial_backoff).seconds,
            max(policy.backoff_multiplier, 1.0),
            Duration.parse(policy.max_backoff).seconds,
            frozenset(policy.retry_on),
            policy.retry_on_network_error,
            policy.respect_retry_after,
        )

    def wait(self, attempt: int, asked: float | None, chance: float) -> float:
        """Return the seconds to wait after an attempt that failed.

        Args:
            attempt: its number, from 1.
            asked: what the server's `Retry-After` says.
            chance: at random from 0 to 1, so that not all come back at once.
        """
        if asked is not None and self.respect:
            return min(asked, self.longest)
        grown = self.first * self.factor ** min(attempt - 1, _MOST_GROWTH)
        return min(grown, self.longest) * (1 + _SPREAD * (2 * chance - 1))
