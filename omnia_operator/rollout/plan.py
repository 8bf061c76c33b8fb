"""What a transition of a rollout observes, and the plan that it returns."""

from dataclasses import dataclass, field
from enum import StrEnum

from omnia_core.files.rollout import LEAD_MS
from omnia_operator.api.rollout import AnalysisStatus, RolloutFields, RolloutStatus
from omnia_operator.rollout.requests import RolloutRequest
from omnia_operator.rollout.traffic import TrafficState

SETTLE_SECONDS = LEAD_MS / 1000
"""Mounted files are in every pod after this time: what they replace may go then."""
SOON = 1.0
MAX_WRITES = 2
"""A write into the spec is tried so many times, also when the operator crashes between."""


class Write(StrEnum):
    """A write into the spec."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class AnalysisProgress:
    """What the analysis of the current step has measured until now."""

    status: AnalysisStatus | None = None
    """None: it has not begun."""
    obstacle: str = ""
    """Why it cannot be run, as one word."""
    message: str = ""
    """What the obstacle is, and what to do."""
    wake: float | None = None
    """Seconds until something is to be measured."""


@dataclass(frozen=True)
class World:
    """What is observed."""

    now: str
    """RFC 3339."""
    candidate_ready: bool = False
    """Whether a pod of the candidate serves what is rolled out."""
    candidate_failure: str = ""
    """Why its pods do not get ready, if that does not pass by itself."""
    stable_runs: str = ""
    """`digest_of` what every pod of stable runs with; "" while they are being replaced."""
    request: RolloutRequest | None = None
    obstacle: str = ""
    """Why this agent cannot have a candidate; "" if it can."""
    analysis: AnalysisProgress | None = None
    """The analysis of the current step; None where there is none, or nothing to measure yet."""
    settle_seconds: float = SETTLE_SECONDS
    """How long a changed file takes until every facade has read it."""
    traffic: TrafficState = field(default_factory=TrafficState)
    """Whether the objects that the status names give the candidate its weight."""


@dataclass(frozen=True)
class News:
    """What an Event says."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Plan:
    """The next status, and what there has to be."""

    status: RolloutStatus
    stable: RolloutFields
    candidate: RolloutFields | None = None
    """None: there is no candidate."""
    write: Write | None = None
    """What to write into the spec when the status is written: one attempt of two at most."""
    news: tuple[News, ...] = ()
    wake: float | None = None
    """Seconds until the next step; None: an event brings it."""
