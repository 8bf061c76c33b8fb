"""Limits of what clients send: message rate, media rate, and bytes held by the whole pod."""

from enum import Enum, IntFlag, auto
from typing import Self

from msgspec import Struct

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_facade.entrance.errors import Rejection
from omnia_facade.metrics import FacadeMetrics
from omnia_facade.ws.messages import FrameRefused

# How many bursts of messages are refused before the connection is closed.
REFUSED_BURSTS = 10
# Smaller messages are never refused because of the pod's budget.
LARGE = 64 * 1024
# A large message that has begun may continue up to this multiple of the budget.
_OVERDRAFT = 1.5

_TOO_FAST = FrameRefused(
    ErrorCode.RATE_LIMITED, "rate limit exceeded; send the message again a little later"
)
_BUDGET_EXCEEDED = FrameRefused(
    ErrorCode.RATE_LIMITED,
    "the server holds as many large messages as it may; send the message again a little later",
)


class ReadPause(IntFlag):
    """Why reading from a socket is paused."""

    AUDIO = 1
    UPLOAD = 2
    RATE = 4


class Rate(Struct, frozen=True):
    """An average per second, and a burst of at least 1."""

    per_second: float
    burst: float


class ConnectionLimits(Struct, frozen=True, kw_only=True):
    """Limits of one connection, and of all connections together.

    Attributes:
        messages: text messages of a connection.
        media: bytes of binary messages of a connection.
        write_seconds: how long a client may read nothing of what is sent.
        received_bytes: unanswered bytes that all connections may have sent.
    """

    messages: Rate = Rate(50, 100)
    media: Rate = Rate(2 << 20, 16 << 20)
    write_seconds: float = 30.0
    received_bytes: int = 128 << 20

    @classmethod
    def of(cls, env: FacadeEnv) -> Self:
        """Return the limits that the environment sets.

        Raises:
            ConfigurationError: a limit would reject everything.
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


class ConnectionAbuse(Exception):
    """The client must be disconnected with this close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class InboundBudget:
    """Bytes that all connections hold: unfinished messages and unanswered ones.

    Above the limit, complete large messages are refused. An unfinished one may still be completed
    up to one and a half times the limit; above that its connection is closed.
    """

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    @property
    def exceeded(self) -> bool:
        """Whether complete large messages are refused."""
        return self._held > self._limit

    @property
    def overdrawn(self) -> bool:
        """Whether large messages may not continue."""
        return self._held > self._limit * _OVERDRAFT

    def change(self, by: int) -> None:
        """Add `by` bytes, which may be negative."""
        self._held += by


class InboundLimiter:
    """Applies the message rate to one connection, and charges its bytes to the pod's budget."""

    __slots__ = ("_budget", "_limit", "_limits", "_metrics", "_unanswered", "_unfinished")

    def __init__(
        self, limits: ConnectionLimits, budget: InboundBudget, metrics: FacadeMetrics
    ) -> None:
        self._limits = limits
        # Created by the first message: idle connections do without.
        self._limit: MessageLimit | None = None
        self._budget = budget
        self._metrics = metrics
        self._unfinished = 0
        self._unanswered = 0

    def admit(self, size: int, now: float) -> None:
        """Admit a text message of `size` bytes that arrived at `now`.

        Raises:
            FrameRefused: the message is refused; the connection stays open.
            ConnectionAbuse: too many messages were refused.
        """
        if self._limit is None:
            self._limit = MessageLimit(self._limits.messages)
        decision = self._limit.decide(now)
        if decision is not RateDecision.ACCEPT:
            self._metrics.message_rate_limited()
            if decision is RateDecision.CLOSE:
                raise ConnectionAbuse(1008, "rate limit exceeded")
            raise _TOO_FAST
        if size > LARGE and self._budget.exceeded:
            self._metrics.rejected(Rejection.TOO_MUCH_RECEIVED)
            raise _BUDGET_EXCEEDED

    def received(self, unfinished: int, unanswered: int) -> None:
        """Record how many bytes the connection holds after data has arrived.

        Args:
            unfinished: bytes of a message that is not complete.
            unanswered: bytes of complete messages without an answer.

        Raises:
            ConnectionAbuse: the budget has no room for more of a large message.
        """
        change = unfinished + unanswered - self._unfinished - self._unanswered
        if change:
            self._budget.change(change)
        self._unfinished, self._unanswered = unfinished, unanswered
        if change > 0 and unfinished > LARGE and self._budget.overdrawn:
            self._metrics.rejected(Rejection.TOO_MUCH_RECEIVED)
            raise ConnectionAbuse(1013, "too much is being received; try again later")

    def answered(self, unanswered: int) -> None:
        """Record how many bytes of complete messages are left without an answer."""
        self._budget.change(unanswered - self._unanswered)
        self._unanswered = unanswered

    def release(self) -> None:
        """Return all bytes to the budget: the connection is closed."""
        self._budget.change(-self._unfinished - self._unanswered)
        self._unfinished = self._unanswered = 0


class RateDecision(Enum):
    """What happens to a message."""

    ACCEPT = auto()
    REFUSE = auto()
    CLOSE = auto()


class MessageLimit:
    """Refuses messages above a rate, and closes when refusals continue above that rate."""

    __slots__ = ("_accepted", "_rate", "_refused")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._accepted = TokenBucket(rate)
        self._refused: TokenBucket | None = None

    def decide(self, now: float) -> RateDecision:
        """Return the decision about a message that arrived at `now`."""
        if self._accepted.take(1, now):
            return RateDecision.ACCEPT
        if self._refused is None:
            refusals = Rate(self._rate.per_second, self._rate.burst * REFUSED_BURSTS)
            self._refused = TokenBucket(refusals)
        return RateDecision.REFUSE if self._refused.take(1, now) else RateDecision.CLOSE


class TokenBucket:
    """A token bucket, stored as one number: the time at which it is full."""

    __slots__ = ("_full_at", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._full_at = 0.0

    def take(self, amount: float, now: float) -> bool:
        """Take `amount` tokens, or none if there are fewer; `now` is monotonic, in seconds."""
        full_at = max(self._full_at, now) + amount / self._rate.per_second
        # The tolerance lets exactly one burst pass in spite of rounding.
        if (full_at - now) * self._rate.per_second > self._rate.burst * (1 + 1e-9):
            return False
        self._full_at = full_at
        return True


class Throttle:
    """Slows a client down to a rate: everything is accepted, then reading pauses for a while."""

    __slots__ = ("_full_at", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._full_at = 0.0

    def spend(self, amount: float, now: float) -> float:
        """Account for `amount`; return for how many seconds reading should pause."""
        self._full_at = max(self._full_at, now) + amount / self._rate.per_second
        return max(0.0, self._full_at - now - self._rate.burst / self._rate.per_second)
