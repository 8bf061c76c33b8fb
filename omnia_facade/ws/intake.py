"""What one connection may send: not too fast, and not more than the pod can hold."""

from omnia_core.conversation.error_codes import ErrorCode
from omnia_facade.entrance.errors import Rejection
from omnia_facade.metrics import FacadeMetrics
from omnia_facade.ws.limits import Limits, MessageLimit, Verdict
from omnia_facade.ws.messages import Refused
from omnia_facade.ws.received import LARGE, Received

_TOO_FAST = Refused(
    ErrorCode.RATE_LIMITED, "rate limit exceeded; send the message again a little later"
)
_TOO_MUCH = Refused(
    ErrorCode.RATE_LIMITED,
    "the server holds as many large messages as it may; send the message again a little later",
)


class Overdone(Exception):
    """A client has to be cut off: the message is the reason, `code` that of the close."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Intake:
    """Judges what comes, and keeps account of what this connection holds."""

    __slots__ = ("_held", "_limit", "_limits", "_metrics", "_received")

    def __init__(self, limits: Limits, received: Received, metrics: FacadeMetrics) -> None:
        self._limits = limits
        # with the first message: an idle connection has none
        self._limit: MessageLimit | None = None
        self._received = received
        self._metrics = metrics
        self._held = 0

    def admit(self, size: int, now: float) -> None:
        """Let a text message of so many bytes pass.

        Raises:
            Refused: it may not; the connection stays open.
            Overdone: the client goes on and on.
        """
        if self._limit is None:
            self._limit = MessageLimit(self._limits.messages)
        verdict = self._limit.judge(now)
        if verdict is not Verdict.ACCEPT:
            self._metrics.message_rate_limited()
            if verdict is Verdict.CLOSE:
                raise Overdone(1008, "rate limit exceeded")
            raise _TOO_FAST
        if size > LARGE and self._received.too_much:
            self._metrics.rejected(Rejection.TOO_MUCH_RECEIVED)
            raise _TOO_MUCH

    def hold(self, unfinished: int, unanswered: int) -> None:
        """Note how many bytes of messages that are not whole, and not answered, there are now.

        Raises:
            Overdone: there is no room for more of a large message.
        """
        held = unfinished + unanswered
        if held == self._held:
            return
        grown = held > self._held
        self._received.change(held - self._held)
        self._held = held
        if grown and unfinished > LARGE and self._received.far_too_much:
            self._metrics.rejected(Rejection.TOO_MUCH_RECEIVED)
            raise Overdone(1013, "too much is being received; try again later")
