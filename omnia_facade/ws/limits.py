"""How fast a client may send: token buckets, and what is done about who sends faster."""

from enum import Enum, auto
from typing import Self

from msgspec import Struct

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError

# How many times the burst is refused before a client is cut off.
PATIENCE = 10


class Rate(Struct, frozen=True):
    """So much a second on the average, and so much at once; `burst` is not less than 1."""

    per_second: float
    burst: float


class Limits(Struct, frozen=True, kw_only=True):
    """What one connection, and all together, may ask of the pod.

    Attributes:
        messages: text messages of a connection.
        media: bytes of binary messages of a connection.
        write_seconds: how long a client may read nothing of what is sent.
        received_bytes: what all connections may have sent that is not answered yet.
    """

    messages: Rate = Rate(50, 100)
    media: Rate = Rate(2 << 20, 16 << 20)
    write_seconds: float = 30.0
    received_bytes: int = 128 << 20

    @classmethod
    def of(cls, env: FacadeEnv) -> Self:
        """Return the limits that the environment sets.

        Raises:
            ConfigurationError: with one of them nothing could ever be sent.
        """
        if not env.media_rate.count:
            variable = FacadeEnv.variable("media_rate")
            raise ConfigurationError(f'{variable}: expected a size of at least 1 byte, found "0"')
        return cls(
            messages=Rate(env.message_rate, env.message_burst),
            media=Rate(env.media_rate.count, env.media_burst.count),
            write_seconds=env.write_timeout.seconds,
            received_bytes=env.max_received.count,
        )


class TokenBucket:
    """Lets through what a rate allows. A bucket is one number: the time at which it is full."""

    __slots__ = ("_full_at", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._full_at = 0.0

    def take(self, amount: float, now: float) -> bool:
        """Take an amount, or nothing if there is less; `now` is in seconds and only grows."""
        full_at = max(self._full_at, now) + amount / self._rate.per_second
        # compared as amounts: what is exactly the burst must pass in spite of rounding
        if (full_at - now) * self._rate.per_second > self._rate.burst * (1 + 1e-9):
            return False
        self._full_at = full_at
        return True


class Pace:
    """Slows down who sends faster than a rate: what came is taken, and then nothing for a while."""

    __slots__ = ("_full_at", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._full_at = 0.0

    def spend(self, amount: float, now: float) -> float:
        """Take an amount; return for how many seconds from now on no more should be taken."""
        self._full_at = max(self._full_at, now) + amount / self._rate.per_second
        return max(0.0, self._full_at - now - self._rate.burst / self._rate.per_second)


class Verdict(Enum):
    """What is to be done with a message."""

    ACCEPT = auto()
    REFUSE = auto()
    CLOSE = auto()


class MessageLimit:
    """Refuses messages beyond a rate, and gives up on who goes on at more than twice the rate."""

    __slots__ = ("_accepted", "_rate", "_refused")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._accepted = TokenBucket(rate)
        self._refused: TokenBucket | None = None

    def judge(self, now: float) -> Verdict:
        """Judge a message that came at this time."""
        if self._accepted.take(1, now):
            return Verdict.ACCEPT
        if self._refused is None:
            patience = Rate(self._rate.per_second, self._rate.burst * PATIENCE)
            self._refused = TokenBucket(patience)
        return Verdict.REFUSE if self._refused.take(1, now) else Verdict.CLOSE
