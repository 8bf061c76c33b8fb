"""Limits of a connection: its rates, and the bytes that the whole pod holds for its clients."""

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
# Above this multiple of the pod's budget only messages of this size are accepted, and what has
# begun ends: 10,000 connections could hold as many large messages just below `LARGE`.
_OVERDRAFT = 1.25
SMALL = 1024

_TOO_FAST = "rate limit exceeded; send the message again a little later"
_BUDGET_EXCEEDED = (
    "the server holds as many large messages as it may; send the message again a little later"
)


class ReadPause(IntFlag):
    """Why reading from a socket is paused."""

    AUDIO = 1
    UPLOAD = 2
    RATE = 4
    TURN = 8


class Rate(Struct, frozen=True):
    """An average per second, and a burst of at least 1."""

    per_second: float
    burst: float

    def times(self, factor: float) -> Self:
        """Return a multiple of the rate."""
        return type(self)(self.per_second * factor, self.burst * factor)

    def at_least(self, other: Self) -> Self:
        """Return the higher of two rates, and of two bursts."""
        return type(self)(max(self.per_second, other.per_second), max(self.burst, other.burst))


class ConnectionLimits(Struct, frozen=True, kw_only=True):
    """Limits of one connection, and of all connections together.

    Attributes:
        messages: text messages of a connection.
        idle_frames: frames of a connection that make little progress: control frames, and small
            fragments.
        media: bytes of binary messages of a connection.
        binary_frames: binary messages of a connection, of any size.
        write_seconds: how long a client may read nothing of what is sent.
        held_bytes: what the pod may hold for all connections together.
    """

    messages: Rate = Rate(50, 100)
    # A client that pings with each of its 100 audio frames a second, or that splits each of its 50
    # messages a second into ten fragments, is far below. A message of 1 MiB in fragments of 105
    # bytes is within the burst, which is that of the HTTP/2 to the runtime, and takes 40 ms.
    idle_frames: Rate = Rate(1000, 10_000)
    media: Rate = Rate(2 << 20, 16 << 20)
    # Audio has 50 to 100 frames a second, and an upload in pieces of 2 KiB has the rate of `media`.
    binary_frames: Rate = Rate(1024, 10_000)
    write_seconds: float = 30.0
    # A quarter more may be held, and memory is not used to the last byte: the pod has 256 MiB.
    held_bytes: int = 96 << 20

    @classmethod
    def of(cls, env: FacadeEnv) -> Self:
        """Return the limits that the environment sets.

        Raises:
            ConfigurationError: a limit would reject everything.
        """
        if not env.media_rate.count:
            variable = FacadeEnv.variable("media_rate")
            raise ConfigurationError(f'{variable}: expected a size of at least 1 byte, found "0"')
        usual = cls()
        messages = Rate(env.message_rate, env.message_burst)
        media = Rate(env.media_rate.count, env.media_burst.count)
        return cls(
            messages=messages,
            idle_frames=usual.idle_frames.at_least(messages.times(20)),
            media=media,
            binary_frames=usual.binary_frames.at_least(media.times(1 / 2048)),
            write_seconds=env.write_timeout.seconds,
            held_bytes=env.max_received.count,
        )


class ConnectionAbuse(Exception):
    """The client must be disconnected with this close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class PodBudget:
    """Bytes that the pod holds for all connections.

    They belong to messages that are unfinished or unanswered, and to frames that were not read.
    """

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def allows(self, size: int) -> bool:
        """Whether a message of `size` bytes is accepted."""
        return size <= SMALL or self._held <= self._limit or (size <= LARGE and not self.overdrawn)

    @property
    def overdrawn(self) -> bool:
        """Whether even what has begun must end."""
        return self._held > self._limit * _OVERDRAFT

    def change(self, by: int) -> None:
        """Add `by` bytes, which may be negative."""
        self._held += by


class ConnectionLimiter:
    """Applies the rates to one connection, and charges its bytes to the pod's budget."""

    __slots__ = ("_budget", "_frames", "_limit", "_limits", "_metrics", "_received", "_unread")

    def __init__(self, limits: ConnectionLimits, budget: PodBudget, metrics: FacadeMetrics) -> None:
        self._limits = limits
        # Created by the first message or idle frame: idle connections do without.
        self._limit: MessageLimit | None = None
        self._frames: TokenBucket | None = None
        self._budget = budget
        self._metrics = metrics
        self._received = 0
        self._unread = 0

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
            raise FrameRefused(ErrorCode.RATE_LIMITED, _TOO_FAST)
        if not self._budget.allows(size):
            self._metrics.rejected(Rejection.TOO_MUCH_RECEIVED)
            raise FrameRefused(ErrorCode.RATE_LIMITED, _BUDGET_EXCEEDED)

    def admit_idle_frame(self, now: float) -> None:
        """Admit a control frame or a small fragment that arrived at `now`.

        Raises:
            ConnectionAbuse: there were too many.
        """
        if self._frames is None:
            self._frames = TokenBucket(self._limits.idle_frames)
        if not self._frames.take(1, now):
            self._metrics.rejected(Rejection.FRAME_RATE)
            raise ConnectionAbuse(1008, "too many frames that make no progress")

    def received(self, unfinished: int, unanswered: int) -> None:
        """Record how many bytes the connection holds after data was handled.

        Args:
            unfinished: bytes of a message that is not complete, and of uploads.
            unanswered: bytes of complete messages without an answer.

        Raises:
            ConnectionAbuse: the budget has no room for more of an unfinished message.
        """
        change = unfinished + unanswered - self._received
        if not change:
            return
        self._budget.change(change)
        self._received += change
        if change > 0 and unfinished > SMALL and self._budget.overdrawn:
            self._metrics.rejected(Rejection.TOO_MUCH_RECEIVED)
            raise ConnectionAbuse(1013, "too much is being received; try again later")

    def unread(self, size: int) -> bool:
        """Record how many bytes the client has not read.

        False: the budget has no room for them, so that the connection must be cut.
        """
        change = size - self._unread
        self._budget.change(change)
        self._unread = size
        if change > 0 and self._budget.overdrawn:
            self._metrics.rejected(Rejection.TOO_MUCH_UNREAD)
            return False
        return True

    def release(self) -> None:
        """Return all bytes to the budget: the connection is closed."""
        self._budget.change(-self._received - self._unread)
        self._received = self._unread = 0


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
