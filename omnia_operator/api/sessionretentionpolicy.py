"""SessionRetentionPolicy: how long what is said in a namespace is kept, at most."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from omnia_core.names import Kind
from omnia_core.units import Duration
from omnia_operator.api.meta import AGE, PrinterColumn, Resource, Status
from omnia_operator.api.model import DurationField, Model
from omnia_operator.api.rules import rule


class RetentionBounds(Model):
    """What may be kept of a session, at most."""

    ttl_after_inactive: DurationField | None = None
    """How long after its last use a session can be continued. An agent's own `session.ttl` holds
    where it is shorter."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Days after the last use of a session until what is kept of it is deleted: its messages and
    its trail. With sessions in PostgreSQL they outlive the end of the session until then; in Redis
    and in memory nothing does, and the number is one more bound of the time that a session can be
    continued."""
    max_messages_per_session: Annotated[int, Field(ge=2, le=1_000_000)] | None = None
    """Messages of a session that are kept: with more of them the oldest turns are deleted, whole
    ones, and never the newest."""
    dry_run: bool = False
    """Whether nothing ends and nothing is deleted, and what would be is counted."""


class SessionRetentionPolicySpec(RetentionBounds):
    """Desired state of a SessionRetentionPolicy."""

    something_is_bounded: ClassVar = rule(
        "a policy without a bound keeps everything: add at least one of ttlAfterInactive,"
        " retentionDays and maxMessagesPerSession",
        cel="has(self.ttlAfterInactive) || has(self.retentionDays) ||"
        " has(self.maxMessagesPerSession)",
    )

    sessions_can_be_continued: ClassVar = rule(
        "a session outlives the time between two messages, and is not kept for ever: set"
        " ttlAfterInactive to 1s or more, and to 87600h (ten years) at most",
        cel="!has(self.ttlAfterInactive) || (duration(self.ttlAfterInactive) >= duration('1s') &&"
        " duration(self.ttlAfterInactive) <= duration('87600h'))",
        at="ttlAfterInactive",
    )


class RetentionPhase(StrEnum):
    """State of a SessionRetentionPolicy in a word."""

    ACTIVE = "Active"
    DRY_RUN = "DryRun"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"


class SessionRetentionPolicyStatus(Status):
    """Observed state of a SessionRetentionPolicy. Conditions: `Active`, `Effective`."""

    phase: RetentionPhase | None = None
    """State in a word."""
    agents: int | None = None
    """How many AgentRuntimes of the namespace it holds for, functions included."""
    last_valid_spec: RetentionBounds | None = None
    """The spec that was last found valid. It stays in force while the present one is not."""


class SessionRetentionPolicy(Resource):
    """SessionRetentionPolicy says how long what is said to the agents and functions of its
    namespace is kept, at most.
    """

    kind_name: ClassVar = Kind.SESSION_RETENTION_POLICY
    plural: ClassVar = "sessionretentionpolicies"
    short_names: ClassVar = ("srp",)
    columns: ClassVar = (
        PrinterColumn(name="TTL", type="string", json_path=".spec.ttlAfterInactive"),
        PrinterColumn(name="Days", type="integer", json_path=".spec.retentionDays"),
        PrinterColumn(name="Messages", type="integer", json_path=".spec.maxMessagesPerSession"),
        PrinterColumn(name="Phase", type="string", json_path=".status.phase"),
        PrinterColumn(name="Agents", type="integer", json_path=".status.agents"),
        AGE,
    )

    spec: SessionRetentionPolicySpec
    """Desired state."""
    status: SessionRetentionPolicyStatus | None = None
    """Observed state, written by the operator."""
