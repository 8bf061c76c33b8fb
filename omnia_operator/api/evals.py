"""The evals block of an AgentRuntime."""

from typing import Annotated

from pydantic import Field

from omnia_core.units import Duration
from omnia_operator.api.model import DurationField, Model, Percent


class Sampling(Model):
    """Which part of the conversations is evaluated."""

    default_rate: Percent = 100
    """Percentage for evaluations that need no model."""
    extended_rate: Percent = 10
    """Percentage for evaluations that ask a model."""


class RateLimit(Model):
    """How fast evaluations run."""

    max_evals_per_second: Annotated[int, Field(ge=1)] = 50
    """Evaluations per second."""
    max_concurrent_judge_calls: Annotated[int, Field(ge=1)] = 5
    """Questions to the judge at the same time."""


class SessionCompletion(Model):
    """When a session counts as complete."""

    inactivity_timeout: DurationField = Duration.parse("5m")
    """Silence after the last message."""


class EvalBudget(Model):
    """What evaluations may cost."""

    usd_per_day: Annotated[float, Field(gt=0)]
    """US dollars a day (UTC) for judges. At the limit they are not asked until the next day."""


class Evals(Model):
    """Evaluation of live conversations by the definitions of the pack."""

    enabled: bool = False
    """Whether conversations are evaluated."""
    sampling: Sampling = Field(default_factory=Sampling)
    """Which part of the conversations is evaluated."""
    rate_limit: RateLimit = Field(default_factory=RateLimit)
    """How fast evaluations run."""
    session_completion: SessionCompletion = Field(default_factory=SessionCompletion)
    """When a session counts as complete."""
    budget: EvalBudget | None = None
    """What evaluations may cost."""
