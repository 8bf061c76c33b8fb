"""The waits between attempts to reach a tool server."""

from msgspec import Struct

from omnia_core.files.tools import HTTPRetryPolicy
from omnia_core.units import Duration

# The exponent stops growing here: 2 ** 10000 does not fit into a float.
_MAX_EXPONENT = 32
_BACKOFF_SPREAD = 0.25
_HTTP_SPREAD = 0.1


class Backoff(Struct, frozen=True):
    """Waits that grow from `first` to `longest` seconds by `factor`."""

    first: float
    longest: float
    factor: float = 2.0

    def wait(self, failures: int, spread: float) -> float:
        """Return the seconds to wait after consecutive failures, at least one.

        Args:
            failures: the number of failures.
            spread: random, from 0 to 1: shortens the wait by up to a quarter, so that clients do
                not retry at the same moment.
        """
        grown = self.first * self.factor ** min(max(failures - 1, 0), _MAX_EXPONENT)
        return min(grown, self.longest) * (1 - _BACKOFF_SPREAD * spread)


# For servers that are away: they are found soon after they return, and cost little if they do not.
RECONNECT = Backoff(1.0, 60.0)


class HTTPRetry(Struct, frozen=True):
    """The retry policy of an HTTP handler; waits are in seconds.

    Attributes:
        attempts: in all, including the first.
        network: whether to retry after a failed connection.
        respect: whether to wait as long as the server asks, at most `longest`.
    """

    attempts: int = 1
    first: float = 0.0
    factor: float = 1.0
    longest: float = 0.0
    statuses: frozenset[int] = frozenset()
    network: bool = False
    respect: bool = False

    @classmethod
    def of(cls, policy: HTTPRetryPolicy | None) -> "HTTPRetry":
        """Read a policy; without one there is one attempt.

        Raises:
            ValueError: a wait is not a duration, or there are no attempts.
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
        """Return the seconds to wait after a failed attempt.

        Args:
            attempt: its number, from 1.
            asked: the seconds that the server's `Retry-After` asks for.
            chance: random, from 0 to 1, so that clients do not retry at the same moment.
        """
        if asked is not None and self.respect:
            return min(asked, self.longest)
        grown = self.first * self.factor ** min(attempt - 1, _MAX_EXPONENT)
        return min(grown, self.longest) * (1 + _HTTP_SPREAD * (2 * chance - 1))
