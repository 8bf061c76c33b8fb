"""The port of session stores, and its errors."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Protocol

from msgspec import Struct

from omnia_core.errors import Advice, Code, OmniaError
from omnia_core.sessions.audit import AuditTrail, ProviderCall
from omnia_core.sessions.evaluations import EvalResult
from omnia_core.sessions.feed import SessionFeed
from omnia_core.sessions.own import OwnSessions
from omnia_core.sessions.recorded import RecordedSession
from omnia_core.sessions.records import Message, Session
from omnia_core.sessions.retention import EffectsCallback, Retention, ignore_effects
from omnia_core.sessions.signals import Signals
from omnia_core.sessions.trail import SessionTrail
from omnia_core.units import Duration


class SessionConflict(OmniaError):
    """The session is longer than the writer expected: another writer appended first."""

    def __init__(self, session_id: str, expected: int, found: int) -> None:
        super().__init__(
            Code.FAILED_PRECONDITION,
            f'session "{session_id}" has {found} messages where {expected} were expected: '
            "another turn of it was stored in between; send the message again",
        )


class StoreUnavailable(OmniaError):
    """The store cannot be reached; nothing is known about the session."""

    advice = Advice(
        "The session store does not answer.",
        "Send the message again. If it fails again, check that the store runs.",
        retryable=True,
    )

    def __init__(self, detail: str) -> None:
        super().__init__(
            Code.UNAVAILABLE, f"the session store cannot be reached ({detail}); try again"
        )


class WriteUnconfirmed(StoreUnavailable):
    """The store accepted a write, and too few replicas confirmed it."""

    def __init__(self, detail: str) -> None:
        OmniaError.__init__(
            self,
            Code.UNAVAILABLE,
            f"the session store has not confirmed the write ({detail}): it may be stored"
            " nevertheless, and a message that is sent again may be stored twice",
        )


class SessionSettings(Struct, frozen=True, kw_only=True):
    """The sessions that a store keeps, and for how long.

    Attributes:
        ttl: a session ends this long after its last use.
        namespace: the namespace of the agent.
        agent: the name of the agent whose sessions these are.
        retention: the policy; None: unknown to this program, sessions keep what others set.
        on_retention: called with what the policy did.
        evaluated: whether the sessions are evaluated, so that the store has a feed.
    """

    ttl: Duration
    namespace: str
    agent: str
    retention: Retention | None = None
    on_retention: EffectsCallback = ignore_effects
    evaluated: bool = False


class SessionStore(Protocol):
    """Keeps sessions with a sliding time to live: each load and each append renews it.

    With a retention policy, an append deletes the oldest messages of a session that has too many.
    Lengths and positions count deleted messages too.

    Every method raises `StoreUnavailable` when the store cannot be reached.

    Attributes:
        keeps_audit: whether the store keeps audit records.
    """

    keeps_audit: bool = False

    @property
    def signals(self) -> Signals | None:
        """The signals between the pods of the agent; None where no other pod sees the sessions."""
        return None

    @property
    def feed(self) -> SessionFeed | None:
        """The feed of evaluations; None where sessions are not evaluated."""
        return None

    @property
    def own(self) -> OwnSessions:
        """What users may do with sessions of their own."""

    def start(self) -> None:
        """Start the background work that a retention policy requires."""
        return

    async def load(self, session_id: str) -> Session | None:
        """Return the session; None when it does not exist or has expired."""

    async def read(self, session_id: str) -> RecordedSession | None:
        """Return the session with what is recorded of its turns, without renewing it.

        It is as it was at one moment. None when it does not exist or has expired.
        """

    async def trail(self, session_id: str, last: int) -> SessionTrail | None:  # noqa: ARG002 - see below
        """Return the audit trail of the last turns, without renewing the session.

        None when the session does not exist, and from a store that keeps no audit records.
        """
        return None

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        audit: AuditTrail | None = None,
    ) -> int:
        """Append all of `messages` and their audit records, or nothing; return the new length.

        The first append, with the expected length 0, creates the session.

        Raises:
            SessionConflict: the session's length is not `expected_length`.
        """

    async def checkpoint(
        self, session_id: str, messages: Sequence[Message], *, expected_length: int
    ) -> None:
        """Store `messages` as the checkpoint of the session, replacing the previous one.

        They are `Session.interrupted` until the next append, which deletes them. A session that
        has another length, or has ended, stays as it is.
        """

    async def rename(
        self,
        session_id: str,
        name: str,
        *,
        expected_name: str,
        audit: AuditTrail | None = None,
    ) -> bool:
        """Name a session, and store the audit records of the naming; return whether it was named.

        A session that has another name than `expected_name` by now keeps it, and so does one that
        a person named. A name is not a message: neither the length nor the time to live changes.
        """

    async def add_eval_results(
        self, results: Sequence[EvalResult], calls: Sequence[ProviderCall] = ()
    ) -> int:
        """Keep results of evaluations; return how many of them are new.

        A result is new unless there is one with its session, turn, evaluation and source: that one
        stays. Results of sessions that are no longer kept are left out. No session is renewed.

        Args:
            results: of sessions of the agent.
            calls: the requests to judges that led to them. They are added to the daily sums of
                the agent if a result is new.
        """

    async def eval_results(self, session_id: str) -> list[EvalResult]:
        """Return the results of a session in the order of their turns; [] when it is unknown."""

    async def spent(self, first: date, providers: Collection[str] = ()) -> float:
        """Return what the agent's requests to models cost since a day (UTC), in USD.

        Args:
            first: the day, whole. Costs are known for this month and the one before.
            providers: only requests to these, by their names in the agent; all for ().
        """

    async def add_costs(self, calls: Sequence[ProviderCall]) -> None:  # noqa: ARG002 - see below
        """Add the cost of calls to the present day, where they belong to no append.

        A store that keeps audit records has those of every call, and does nothing here.
        """
        return

    async def close(self) -> None:
        """Close connections and stop background work."""
